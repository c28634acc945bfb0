"""Arrays of whole-image networks, channels first or last."""

from typing import Any

import numpy as np
import numpy.typing as npt

from refine.decoding.raw.image import RawImage
from refine.exceptions import FormatError


def channels_first(raw: RawImage, channels: int, *names: str) -> npt.NDArray[Any]:
    """Return an array (channels, H, W) by any of its names, a view where channels come last.

    Where both ends have that many, the channels come first.

    Raises:
        FormatError: no such array, or another shape.

    >>> from refine.decoding.raw.image import raw_image
    >>> raw = raw_image({"maps": np.zeros((8, 9, 17)), "affine": np.eye(2, 3)})
    >>> channels_first(raw, 17, "maps").shape
    (17, 8, 9)
    """
    array = raw.array(*names)
    if array.ndim == 3 and array.shape[0] == channels:
        return array
    if array.ndim == 3 and array.shape[2] == channels:
        return np.moveaxis(array, 2, 0)
    name = next(n for n in names if n in raw.arrays)
    raise FormatError(
        f"expected `{name}` with {channels} channels, first or last, got {array.shape}",
        where=raw.where,
        hint="another --skeleton",
    )
