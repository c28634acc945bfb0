import numpy as np
import pytest

import refine
from refine.crops import crop_image
from refine.exceptions import ArrayError, GeometryError
from refine.geometry import Crop
from tests.oracles.outputs import PRESETS

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
BOXES = [[10.0, 5, 40, 45], [30, 10, 79, 59], [-20, -20, 10, 10]]


def test_a_pipeline_needs_nothing_else():
    """Boxes to crops, a network to maps, maps to poses in the image."""
    crop = Crop.from_box(BOXES[:2], (48, 64))
    inputs = refine.crop(IMAGE, crop)
    assert inputs.shape == (2, 64, 48, 3)
    # The brightest pixel of the image is the joint; the network sees it in the crop.
    image = np.zeros((60, 80), np.uint8)
    image[30, 36] = 255
    seen = refine.crop(image, crop).astype(float)
    maps = np.repeat(seen[:, None], 17, 1)
    told = {"affine": crop.matrix, "input_size": crop.size, "stride": 1, "flip": False}
    poses = refine.decode(maps, PRESETS["heatmap"], method="argmax", **told)
    assert np.abs(poses.xy - (36, 30)).max() <= 1 / crop.scale.min()


def test_crops_are_those_of_one_matrix_each():
    crop = Crop.from_box(BOXES, (24, 32), alignment="corners")
    for cut, matrix in zip(refine.crop(IMAGE, crop), crop.matrix, strict=True):
        np.testing.assert_array_equal(cut, crop_image(IMAGE, matrix, (24, 32)))
    assert not refine.crop(IMAGE, crop)[2, :10, :8].any()


def test_grey_views_and_no_crops():
    crop = Crop.from_box(BOXES, (24, 32))
    grey = refine.crop(IMAGE[..., 1], crop)
    np.testing.assert_array_equal(grey, refine.crop(IMAGE, crop)[..., 1])
    turned = IMAGE[::-1, :, ::-1]
    np.testing.assert_array_equal(refine.crop(turned, crop), refine.crop(turned.copy(), crop))
    assert refine.crop(IMAGE, crop[:0]).shape == (0, 32, 24, 3)


@pytest.mark.parametrize(
    "image", [IMAGE / 255, IMAGE[None], IMAGE[..., :2], np.zeros((4, 4, 4), np.uint8), "a.jpg"]
)
def test_other_images_are_refused(image):
    with pytest.raises(ArrayError, match=r"\(H, W, 3\)"):
        refine.crop(image, Crop.from_box(BOXES, (24, 32)))


def test_other_crops_are_refused():
    with pytest.raises(GeometryError):
        refine.crop(IMAGE, Crop(np.zeros((1, 2, 3)), (24, 32)))
    with pytest.raises(ArrayError, match="a side"):
        refine.crop(IMAGE, Crop(np.eye(2, 3)[None], (10**6, 32)))
