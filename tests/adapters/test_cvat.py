import logging
from types import SimpleNamespace

import numpy as np
import pytest

import refine
from refine.adapters.cvat import AnnotationFunction
from refine.exceptions import RefineError

IMAGES = [refine.ImageRef(7, "cam/a.jpg", 640, 480), refine.ImageRef(8, "cam/b.jpg", 640, 480)]
PICTURE = SimpleNamespace(size=(640, 480))


@pytest.fixture
def poses():
    xy = np.random.default_rng(0).uniform(10, 400, (3, 17, 2))
    xy[1, 4] = np.nan
    return refine.Poses.from_arrays(
        "coco17", xy, np.full((3, 17), 0.5), instance_score=[0.9, 0.2, 0.8], image=[0, 0, 1],
        images=IMAGES,
    )  # fmt: skip


@pytest.fixture
def function(poses, peer):
    peer("cvat_sdk.auto_annotation")
    return AnnotationFunction(poses)


def frame(name, threshold=None):
    return SimpleNamespace(frame_name=name, conf_threshold=threshold)


def test_labels_are_joints(function):
    (label,) = function.spec.labels
    assert label.name == "person"
    assert [s.name for s in label.sublabels] == list(refine.skeleton("coco17").joints)


def test_frames_get_their_skeletons(function, poses):
    first, second = function.detect(frame("a.jpg"), PICTURE)
    assert [e.label_id for e in first.elements] == list(range(17))
    np.testing.assert_array_equal([e.points for e in first.elements], poses.xy[0])
    assert [e.outside for e in second.elements].index(True) == 4
    assert not any(e.outside for e in first.elements)
    assert len(function.detect(frame("cam/b.jpg"), PICTURE)) == 1
    assert function.detect(frame("c.jpg"), PICTURE) == []


def test_poses_below_the_threshold_are_left_out(function):
    assert len(function.detect(frame("a.jpg", 0.5), PICTURE)) == 1
    assert len(function.detect(frame("a.jpg", 0.2), PICTURE)) == 2


def test_a_picture_of_another_size_is_refused(function):
    with pytest.raises(RefineError, match=r"a.jpg: expected a picture of 640 x 480 px, got"):
        function.detect(frame("a.jpg"), SimpleNamespace(size=(320, 240)))


def test_a_file_and_flags(poses, peer, tmp_path):
    peer("cvat_sdk.auto_annotation")
    flags = np.full((3, 17), 2.0)
    flags[0, 3] = 1
    refine.write(poses.replace(score=flags, score_kind="flag"), tmp_path / "gt.json", "coco-gt")
    function = AnnotationFunction(tmp_path / "gt.json", "dancer")
    first, _ = function.detect(frame("a.jpg"), PICTURE)
    assert [e.occluded for e in first.elements].index(True) == 3
    assert function.spec.labels[0].name == "dancer"


def test_the_sdk_takes_what_it_answers(function, peer):
    """Its driver matches labels with those of a task by name, and checks all that comes."""
    driver = peer("cvat_sdk.auto_annotation.driver")
    (label,) = function.spec.labels
    points = [SimpleNamespace(**vars_of(s), id=100 + s.id) for s in label.sublabels]
    task = SimpleNamespace(name="person", id=9, type="skeleton", sublabels=points, attributes=[])
    mapper = driver._AnnotationMapper(
        logging.getLogger("cvat"), [label], [task],
        allow_unmatched_labels=False, conv_mask_to_poly=False,
    )  # fmt: skip
    _, shapes = mapper.validate_and_remap(function.detect(frame("a.jpg"), PICTURE), 5)
    assert [(s.label_id, s.frame, len(s.elements)) for s in shapes] == [(9, 5, 17)] * 2


def vars_of(label):
    return {"name": label.name, "type": "points", "attributes": []}
