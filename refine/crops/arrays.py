"""Cut crops out of images: bilinear, averaged over the pixels that fall into one."""

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.crops import kernels
from refine.exceptions import ArrayError
from refine.geometry import Crop

MOST_TAPS = 6
"""Per axis and output pixel; pictures of more than this many pixels per crop pixel are sampled."""
MOST_SIDE = 16_384
"""px of a crop; no network takes more."""

Pixels = npt.NDArray[np.uint8]


def crop(image: npt.ArrayLike, crop: Crop) -> Pixels:
    """Cut the crops of an image, for a network that sees one person at a time.

    Args:
        image: (H, W, 3) uint8, or (H, W) of grey; the order of the colours stays.
        crop: N affine maps image px -> crop px, and the size of the crops, see `Crop.from_box`.

    Returns:
        (N, height, width, 3) uint8, or (N, height, width); black outside the image.

    Raises:
        ArrayError: another kind of image.
        GeometryError: a map without an inverse.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> box = Crop.from_box([[0, 0, 4, 4], [1, 1, 3, 3]], (4, 4), padding=1.0)
    >>> cut = crop(image, box)
    >>> cut.shape, bool((cut[0] == image).all())
    ((2, 4, 4, 3), True)
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        raise ArrayError(
            f"expected an image (H, W, 3) or (H, W) of uint8, got {pixels.dtype} {pixels.shape}",
            hint="image[..., :3], or (image * 255).round().astype(np.uint8)",
        )
    if not all(0 < side <= MOST_SIDE for side in crop.size):
        raise ArrayError(f"expected crops of 1 to {MOST_SIDE} px a side, got {crop.size}")
    matrices = Crop.from_matrix(crop.matrix, crop.size).matrix
    grey = pixels.ndim == 2
    colours = np.ascontiguousarray(np.repeat(pixels[..., None], 3, 2) if grey else pixels)
    cut = [crop_image(colours, matrix, crop.size) for matrix in matrices]
    out = np.stack(cut) if cut else np.zeros((0, *crop.size[::-1], 3), np.uint8)
    return out[..., 0].copy() if grey else out


def crop_image(picture: Pixels, matrix: Floats, size: tuple[int, int]) -> Pixels:
    """Cut a crop out of a picture: bilinear, averaged over the pixels that fall into one.

    Args:
        picture: (H, W, 3) uint8.
        matrix: (2, 3) affine map image px -> crop px.
        size: width and height of the crop.

    Returns:
        (height, width, 3) uint8; black outside the picture.

    >>> picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    >>> bool((crop_image(picture, identity, (4, 4)) == picture).all())
    True
    """
    linear = np.linalg.inv(matrix[:, :2])
    shift = -linear @ matrix[:, 2]
    step = np.sqrt(abs(np.linalg.det(linear)))
    taps = int(np.clip(np.ceil(step - 0.25), 1, MOST_TAPS))
    return np.asarray(kernels.crop_image(picture, linear, shift, size[0], size[1], taps))
