import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO

import refine
from refine.adapters.pycocotools import from_poses, to_poses
from tests.oracles.records import STANDING, ground_truth, row


@pytest.fixture
def truth():
    coco = COCO()
    coco.dataset = ground_truth([STANDING] * 3, 350)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


@pytest.fixture
def rows():
    return [row(i, missing=(3,), score=0.5 + i / 10) for i in (0, 2)]


def loaded(truth, rows):
    with contextlib.redirect_stdout(io.StringIO()):
        return truth.loadRes([dict(row) for row in rows])  # It writes into them.


def test_rows_come_back(rows):
    assert from_poses(to_poses(rows)) == rows
    assert from_poses(to_poses(r for r in rows)) == rows


def test_what_load_res_returns_is_read_without_what_it_made(truth, rows):
    poses = to_poses(loaded(truth, rows))
    assert [ref.id for ref in poses.images] == [0, 1, 2]
    assert poses.image.tolist() == [0, 2]
    # loadRes stretches boxes to the (0, 0) of missing joints.
    assert (poses.box, poses.area) == (None, None)
    assert from_poses(poses) == rows


def test_refined_rows_are_loaded(truth, rows):
    better = from_poses(refine.run(to_poses(rows), steps=["complete", "suppress"]))
    assert len(loaded(truth, better).anns) == 2
    assert all(np.isfinite(r["keypoints"]).all() for r in better)


def test_no_results_are_no_poses(truth):
    assert len(to_poses([])) == 0
    assert from_poses(to_poses([])) == []
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    assert [len(rows) for _, rows in to_poses(empty).by_image()] == [0, 0, 0]
