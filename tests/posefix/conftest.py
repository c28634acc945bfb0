"""Pictures that the project makes itself, to train on."""

import numpy as np
import pytest
from PIL import Image

import refine
from refine.refiner import Refiner
from refine.sample import make_people


@pytest.fixture(scope="session")
def pictured(tmp_path_factory):
    """Return a folder of 2 pictures of 7 persons, annotated in gt.json."""
    folder = tmp_path_factory.mktemp("pictured")
    truth, pictures = make_people(2, np.random.default_rng(4))
    refine.write(truth, folder / "gt.json", "coco-gt")
    for ref, pixels in zip(truth.images, pictures, strict=True):
        Image.fromarray(pixels).save(folder / ref.file_name)
    return folder


@pytest.fixture(scope="session")
def body():
    return Refiner.load()
