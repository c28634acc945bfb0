import json

import numpy as np
import pytest


@pytest.fixture
def file(tmp_path):
    """Write a document: ``file([...])`` is its path."""

    def make(document, name="pred.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(document, bytes):
            path.write_bytes(document)
        else:
            path.write_text(json.dumps(document), "utf-8")
        return path

    return make


@pytest.fixture
def values():
    """Keypoints x1, y1, c1, ... of K joints, all present, two decimals."""

    def make(k=17, seed=0):
        rng = np.random.default_rng(seed)
        points = np.c_[rng.uniform(10, 500, (k, 2)).round(2), rng.uniform(0.1, 0.99, k).round(4)]
        return points.ravel().tolist()

    return make


@pytest.fixture
def back(tmp_path):
    """Write poses in the format they came from and parse what was written."""
    from refine.formats import write

    def make(poses, **options):
        write(poses, tmp_path / "back.json", **options)
        return json.loads((tmp_path / "back.json").read_text("utf-8"))

    return make


@pytest.fixture
def row(values):
    """A record of COCO results."""

    def make(image_id=1, **fields):
        return {
            "image_id": image_id,
            "category_id": 1,
            "keypoints": values(),
            "score": 0.5,
            **fields,
        }

    return make
