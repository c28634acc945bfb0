"""`refine train --video`, and what `refine smooth` makes of its weights."""

import json

import numpy as np
import pytest

import refine

TINY = ("--video", "--epochs", 1, "--width", 8, "--batch", 4)


@pytest.fixture
def tracks(tmp_path):
    """Annotations of thirteen people who walk, each in a video of 20 frames."""
    rng = np.random.default_rng(0)
    body = rng.uniform(0, 90, (13, 13, 2))
    time = np.arange(20)[:, None, None]
    xy = np.concatenate([b + np.sin(time / 4) * [6, 2] + time * [3.0, 0] + 20 for b in body])
    images = [
        refine.ImageRef(20 * v + t, f"{v}/{t}.jpg", 640, 480, frame=t, extra={"video_id": v})
        for v in range(13)
        for t in range(20)
    ]
    poses = refine.Poses.from_arrays(
        "pennaction13", xy, np.full(xy.shape[:2], 2.0), image=np.arange(len(xy)), images=images,
        score_kind="flag",
    )  # fmt: skip
    path = tmp_path / "gt.json"
    refine.write(poses.replace(track=np.repeat(np.arange(13), 20)), path, "coco-gt")
    return path


def test_tracks_to_weights_to_calm_tracks(tracks, cli, tmp_path):
    weights = tmp_path / "w.safetensors"
    done = cli("train", tracks, "-o", weights, *TINY, "--fps", 25, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["epochs"] == 1
    assert "if all joints were alike" in done.err
    refine.write(refine.read(tracks), tmp_path / "seen.ndjson")
    seen = ("smooth", tmp_path / "seen.ndjson", "-o", tmp_path / "o.ndjson", "--fps", 25)
    calm = cli(*seen, "--method", "learned", "--weights", weights)
    assert calm.code == 0, calm.err
    used = [step.weights for step in refine.read(tmp_path / "o.ndjson").history]
    assert len(set(used) - {None}) == 1
    other = cli(*seen, "--method", "learned", "--weights", tracks)
    assert (other.code, "safetensors" in other.err) == (3, True)


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--fps", 25, "--blocks", 2), 2, "--blocks"),
        (("--fps", 25, "--validate", "x.json"), 2, "--validate"),
        (("--fps", 25, "--images", "."), 2, "no pictures"),
        (("--fps", 25, "--stats", "no-such"), 3, "posefix"),
        (("--fps", 0), 3, "frames per second"),
        ((), 3, "--fps"),
    ],
)
def test_options_that_do_not_fit(options, code, word, tracks, cli, tmp_path):
    done = cli("train", tracks, "-o", tmp_path / "w.safetensors", *TINY, *options)
    assert (done.code, word in done.err) == (code, True), done.err


def test_frames_per_second_are_of_videos(tracks, cli, tmp_path):
    done = cli("train", tracks, "-o", tmp_path / "w.safetensors", "--fps", 25)
    assert (done.code, "--video" in done.err) == (2, True)
