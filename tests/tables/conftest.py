"""Poses that have all that there is, and a comparison of all of it."""

from importlib import import_module

import numpy as np
import pytest

import refine

OWN = refine.Skeleton(
    "own", ("tail", "left_ear", "right_ear"), ((0, 1),), sigmas=np.array([0.1, 0.05, 0.05])
)


@pytest.fixture
def library():
    """Import a library of tables, or skip the test."""

    def load(name):
        try:
            return import_module(name)
        except ImportError as error:
            pytest.skip(str(error))

    return load


def make(seed=0, body=OWN, ids=None):
    """Seven poses on five images in no order; one image is empty, and joints are missing."""
    rng = np.random.default_rng(seed)
    n, k = 7, len(body)
    xy = rng.uniform(0, 400, (n, k, 2))
    xy[rng.random((n, k)) < 0.3] = np.nan
    score = rng.uniform(0, 1, (n, k))
    score[rng.random((n, k)) < 0.2] = np.nan
    box = rng.uniform(0, 400, (n, 4))
    box[2] = np.nan
    images = [
        refine.ImageRef(i, f"cam/{i}.jpg", 640, 480, frame=10 + q)
        for q, i in enumerate(ids or (7, 8, 2, 5, 9))
    ]
    images[1] = refine.ImageRef(images[1].id, extra={"licence": 3})
    poses = refine.Poses.from_arrays(
        body,
        xy,
        score,
        instance_score=[0.5, np.nan, *rng.uniform(0, 1, n - 2)],
        image=[4, 0, 0, 2, 4, 1, 0],
        images=images,
        score_kind="peak",
        box=box,
        area=[np.nan, *rng.uniform(1, 9, n - 1)],
    )
    extra = ({"category_id": 1, "note": ["x", None]}, {}, {"deep": {"a": 0.1}}, *({},) * (n - 3))
    poses = poses.replace(track=np.array([3, -1, 0, 3, 5, 3, 3]), extra=extra)
    return poses.done("complete", "sha256:12", joints=3).done("suppress", threshold=0.9)


@pytest.fixture(params=["everything", "bare", "empty", "no images"])
def poses(request):
    if request.param == "everything":
        return make()
    if request.param == "bare":
        return refine.Poses.from_arrays("coco17", np.arange(68.0).reshape(2, 17, 2))
    images = [refine.ImageRef(3)] if request.param == "empty" else []
    return refine.Poses.empty("coco17", images)


def assert_same(one, other):
    """Compare all but `meta`."""
    for name in ("xy", "score", "instance_score", "image", "box", "area", "track"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        np.testing.assert_array_equal(a, b, err_msg=name)
        assert a is None or a.dtype == b.dtype, name
    for name in ("skeleton", "images", "score_kind", "history", "extra"):
        assert getattr(one, name) == getattr(other, name), name
    assert [type(r.id) for r in one.images] == [type(r.id) for r in other.images]
