"""Fixtures of the fusion's tests."""

import numpy as np
import pytest
from PIL import Image

import refine
from refine.refiner.pose.refiner import Refiner
from tests.oracles.fusion import people


@pytest.fixture(scope="session")
def body():
    return Refiner.load()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return a set: four annotated people on pictures, and two sources of them."""
    folder = tmp_path_factory.mktemp("made")
    truth, pictures = people(4)
    refine.write(truth, folder / "gt.json", "coco-gt")
    for ref in truth.images:
        Image.fromarray(pictures[ref.id]).save(folder / ref.file_name)
    rng = np.random.default_rng(0)
    files = []
    for name, error in (("good", 2), ("poor", 9)):
        poses = truth.replace(xy=truth.xy + rng.normal(0, error, truth.xy.shape))
        files.append(str(folder / f"{name}.json"))
        refine.write(poses, files[-1], "coco")
    return {"annotations": str(folder / "gt.json"), "images": str(folder), "predictions": files}
