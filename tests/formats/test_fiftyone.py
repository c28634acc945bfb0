"""FiftyOne's samples: what to_dict() and its exports hold, and what bites."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, sniff, write

NAN = {"$numberDouble": "NaN"}


@pytest.fixture
def sample(values):
    """A sample of one person; the point of joint 3 is missing."""

    def make(name="d/a.jpg", seed=0, field="predictions", missing=NAN, k=17, **fields):
        points = np.array(values(k, seed=seed)).reshape(k, 3)
        places = (points[:, :2] / [640, 480]).round(5).tolist()
        places[-1] = [missing, missing]
        mark = {
            "_id": {"$oid": "65"},
            "_cls": "Keypoint",
            "attributes": {},
            "tags": [],
            "label": "person",
            "points": places,
            "confidence": points[:, 2].tolist(),
        }
        about = {"_cls": "ImageMetadata", "width": 640, "height": 480, "num_channels": 3}
        sample = {"filepath": name, "tags": [], "metadata": about, "_media_type": "image"}
        return sample | {field: {"_cls": "Keypoints", "keypoints": [mark | fields]}}

    return make


def test_shares_are_px_and_samples_come_back(file, sample, back):
    document = {"name": "set", "samples": [sample(index=4, iscrowd=0.0), sample("b.jpg", 1)]}
    source = file(document)
    poses = read(source)
    assert sniff(source) == "fiftyone"
    assert poses.images[0].file_name == "d/a.jpg"
    assert (poses.images[0].width, poses.track.tolist()) == (640, [4, -1])
    x, y = document["samples"][0]["predictions"]["keypoints"][0]["points"][0]
    np.testing.assert_allclose(poses.xy[0, 0], [x * 640, y * 480])
    assert np.isnan(poses.xy[:, -1]).all()
    again = back(poses)
    assert again["samples"] == document["samples"]
    assert again["default_skeleton"]["labels"] == list(refine.skeleton("coco17").joints)


@pytest.mark.parametrize("missing", [None, float("nan"), 0.0])
def test_missing_points_in_every_spelling(file, sample, missing):
    """Points at (0, 0) drew wrong edges (fiftyone#5896)."""
    poses = read(file([sample(missing=missing)]))
    assert not poses.present[0, -1]
    assert poses.present[0, :-1].all()


def test_samples_alone_and_lines(file, sample, tmp_path):
    samples = [sample(), sample("b.jpg", 1)]
    poses = read(file(samples))
    write(poses, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == samples
    lines = b"\n".join(json.dumps(each).encode() for each in samples)
    assert read(file(lines, "a.jsonl")).image.tolist() == [0, 1]
    assert len(read(file(samples[0], "one.json"))) == 1
    one = samples[0]["predictions"]["keypoints"][0]
    assert len(read(file([samples[0] | {"predictions": one}]))) == 1


def test_the_skeleton_of_the_data_set_tells_the_joints(file, sample):
    labels = ["nose", "tail", "left_paw"]
    about = {"skeletons": {"predictions": {"labels": labels, "edges": [[0, 1]]}}}
    poses = read(file({"samples": [sample(k=3)], **about}))
    assert poses.skeleton.joints == tuple(labels)


def test_two_fields_of_keypoints_are_asked_about(file, sample):
    both = sample() | {"truth": sample()["predictions"]}
    with pytest.raises(
        FormatError, match=r"got 'predictions', 'truth'; try an export of one, data"
    ):
        read(file([both]))


def test_frames_of_one_file_are_images_of_their_own(file, sample):
    frames = [sample("v.mp4", i) | {"frame_number": i + 1} for i in range(2)]
    poses = read(file({"samples": frames}))
    assert [(ref.id, ref.frame) for ref in poses.images] == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": [[1, 2, 3]] * 17}, r"expected points \[x, y\], got \[1, 2, 3\]"),
        ({"points": None}, "sample 0, keypoint 0: expected an object with a list 'points'"),
        ({"confidence": [0.5]}, "expected 17 numbers in 'confidence', got 1 values"),
        ({"points": [[{"$numberDouble": "x"}, 1]] * 17}, "expected numbers in 'points'"),
        ({"index": -1}, "whole number 'index', got -1"),
    ],
)
def test_what_is_refused(file, sample, fields, message):
    with pytest.raises(FormatError, match=message):
        read(file([sample(**fields)]))


def test_poses_become_samples(cli, file, row, tmp_path):
    keypoints = row()["keypoints"]
    keypoints[3:6] = [0, 0, 0.4]
    source = file([row(keypoints=keypoints), row(track_id=3, category_id=2, note="x")])
    about = [{"id": 1, "file_name": "d/1.jpg", "width": 640, "height": 480}]
    sizes, out = file({"images": about}, "sizes.json"), tmp_path / "out.json"
    assert cli("convert", source, "--to", "fiftyone", "-o", out, "--sizes", sizes).code == 0
    (sample,) = json.loads(out.read_text())["samples"]
    first, second = sample["keypoints"]["keypoints"]
    assert (sample["filepath"], first["label"], second["label"]) == ("d/1.jpg", "person", "2")
    assert (first["points"][1], first["confidence"][1]) == ([NAN, NAN], 0.4)
    before, after = read(source), read(out)
    assert after.score[after.present].tolist() == before.score[before.present].tolist()
    for field in ("xy", "instance_score", "track"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
    assert [e["category_id"] for e in after.extra] == [1, 2]
    assert after.extra[1]["note"] == "x"
