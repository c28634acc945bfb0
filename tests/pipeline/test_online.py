"""Steps for videos over frames that come one by one."""

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, FormatError, RefineError
from refine.motion import evaluate_motion, evaluate_tracking
from refine.pipeline import Config
from refine.pipeline.online import Online

FRAMES = 150
STEPS = ["track", "unswap", "gaps", "smooth"]


def made(folder="v", frames=FRAMES):
    """Two people who walk past each other, and what was seen of them."""
    rng = np.random.default_rng(0)
    bodies, time = rng.uniform(0, 90, (2, 17, 2)), np.arange(frames)[:, None, None]
    swing = np.sin(time / 5 + np.arange(17)[:, None]) * [6, 3]
    ways = np.sin(time / 40) * [150.0, 0], np.sin(time / 33 + 1) * [140.0, 10] + [20, 40]
    xy = np.concatenate([b + swing + w for b, w in zip(bodies, ways, strict=True)])
    images = [refine.ImageRef(f"{folder}/{i:05}.jpg") for i in range(frames)]
    truth = refine.Poses.from_arrays(
        "coco17", xy, np.full(xy.shape[:2], 0.9), image=[*range(frames)] * 2, images=images,
        instance_score=np.full(len(xy), 0.9),
    ).replace(track=np.repeat([0, 1], frames))  # fmt: skip
    bad = xy + rng.normal(0, 4, xy.shape)
    bad[rng.random(bad.shape[:2]) < 0.05] = np.nan
    seen = truth.replace(xy=bad, score=np.where(np.isnan(bad[..., 0]), np.nan, 0.9), track=None)
    return truth, seen[rng.random(len(seen)) > 0.04]


def one_by_one(poses):
    for ref, rows in poses.by_image():
        yield poses[rows].replace(images=(ref,), image=np.zeros(len(rows), np.intp))


def test_what_comes_out_is_nearly_what_the_whole_would_be():
    truth, seen = made()
    whole = refine.run(seen, steps=STEPS, fps=30)
    parts = list(refine.stream(one_by_one(seen), steps=STEPS, fps=30))
    assert [p.images for p in parts] == [(ref,) for ref in seen.images]
    online = refine.Poses.concat(parts)
    assert evaluate_tracking(truth, online).idf1 > 0.99
    at_once, later = evaluate_motion(truth, whole), evaluate_motion(truth, online)
    assert later.error_px == pytest.approx(at_once.error_px, rel=0.02)
    assert later.acceleration_px < 1.2 * at_once.acceleration_px
    assert later.found == at_once.found > 0.99
    assert [step.name for step in online.history] == STEPS
    assert online.history[-1].parameters == {"method": "paths", "fps": 30.0}


@pytest.mark.parametrize("lag", [0.3, 1.0])
def test_nothing_is_kept_for_longer_than_the_lag(lag):
    online = Online(Config(steps=("track", "smooth"), fps=30.0, lag=lag))
    count = 0
    for taken, frame in enumerate(one_by_one(made()[1]), 1):
        count += len(online.put(frame))
        assert taken - count == online.waiting <= lag * 30
    assert count + len(online.flush()) == FRAMES
    assert (online.waiting, online.flush()) == (0, [])


def test_tracks_come_at_once_and_are_those_of_the_whole():
    _, seen = made()
    online = Online(Config(steps=("track",)))
    parts = [part for frame in one_by_one(seen) for part in online.put(frame)]
    whole = refine.run(seen, steps=["track"])
    found = refine.Poses.concat(parts)
    order = np.argsort(whole.image, kind="stable")
    np.testing.assert_array_equal(found.track, whole.track[order])


def test_one_euro_needs_no_lag():
    _, seen = made(frames=40)
    options = {"steps": ["track", "smooth"], "fps": 30, "smoothing": "one-euro"}
    online = refine.Poses.concat(list(refine.stream(one_by_one(seen), lag=0, **options)))
    whole = refine.run(seen, **options)
    order = np.argsort(whole.image, kind="stable")
    np.testing.assert_allclose(online.xy, whole.xy[order], atol=0.3)


def test_persons_who_were_exchanged_stay_put_back():
    truth, _ = made()
    turned = truth.replace(track=np.where(truth.image > 40, 1 - truth.track, truth.track))
    parts = refine.stream(one_by_one(turned), steps=["unswap"], fps=30)
    found = refine.Poses.concat(list(parts))
    order = np.argsort(truth.image, kind="stable")
    np.testing.assert_array_equal(found.track, truth.track[order])


def test_another_video_begins_anew_with_other_ids():
    one, other = made("v", 40)[1], made("w", 40)[1]
    frames = [*one_by_one(one), *one_by_one(other)]
    parts = list(refine.stream(frames, steps=STEPS, fps=30))
    assert [p.images[0] for p in parts] == [*one.images, *other.images]
    ids = [{int(n) for p in half for n in p.track} for half in (parts[:40], parts[40:])]
    assert ids[0].isdisjoint(ids[1])


def test_what_cannot_follow_is_told_and_the_next_goes_on():
    _, seen = made(frames=12)
    frames = list(one_by_one(seen))
    online = Online(Config(steps=("track", "smooth"), fps=30.0, lag=0.1))
    done = [part for frame in frames[:6] for part in online.put(frame)]
    two = frames[6].replace(images=frames[6].images * 2)
    for bad, message in (
        (frames[3], "frames in their order, got 3 after 5"),
        (frames[5], "got 5 after 5"),
        (frames[6].to("openpose18"), "joints of the frame before"),
        (two, "one image at a time"),
        (frames[6].replace(images=(refine.ImageRef("nobody"),)), "number of their frame"),
        (frames[6].replace(track=np.full(len(frames[6]), 3)), "two of track 3"),
    ):
        with pytest.raises(FormatError, match=message):
            online.put(bad)
    for frame in frames[6:]:
        done += online.put(frame)
    assert len([*done, *online.flush()]) == 12
    with pytest.raises(ArrayError, match="frames per second"):
        Online(Config(steps=("smooth",))).put(frames[0][:1])
    with pytest.raises(RefineError, match="no tracks to join"):
        Online(Config(steps=("track",), join_tracks=2.0))
    with pytest.raises(RefineError, match="lag of 0 s or more"):
        Config(lag=-1.0)
