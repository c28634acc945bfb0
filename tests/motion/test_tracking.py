"""Who is who."""

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, FormatError
from refine.motion.evaluate import evaluate_motion
from refine.motion.flips import unswap
from refine.motion.mota import SAME, evaluate_posetrack, evaluate_tracking
from refine.motion.pairing import Likeness
from refine.motion.tracking import track
from refine.oks import BOX_FRACTION
from refine.poses import ImageRef, Poses

BODY = np.random.default_rng(0).uniform(0, 80, (17, 2))


def scene(ways, frames=None):
    """Persons whose bodies lie at `ways` (P, T, 2), NaN where they are not seen."""
    ways = np.asarray(ways, float)
    person, frame = np.nonzero(np.isfinite(ways[..., 0]))
    order = np.lexsort((person, frame))
    person, frame = person[order], frame[order]
    images = [ImageRef(f"v/{i:05}.jpg") for i in range(ways.shape[1])]
    xy = BODY + ways[person, frame][:, None]
    return Poses.from_arrays("coco17", xy, image=frame, images=images), person


def crossing(frames=40, hidden=()):
    t = np.arange(frames)[:, None]
    left, right = t * [10.0, 0.0], [400.0, 30.0] - t * [10.0, 0.0]
    ways = np.stack([left, right])
    ways[1, list(hidden)] = np.nan
    return ways


def test_people_who_cross_keep_their_numbers():
    poses, who = scene(crossing(hidden=range(18, 23)))
    found = track(poses).track
    assert all(len(set(found[who == p])) == 1 for p in (0, 1))
    assert len(set(found)) == 2


def test_numbers_are_never_used_again():
    ways = np.full((2, 100, 2), np.nan)
    ways[0, :10], ways[1, 60:] = 0.0, 0.0
    poses, who = scene(ways)
    found = track(poses).track
    assert set(found[who == 0]).isdisjoint(found[who == 1])
    assert len(set(track(poses, reach=60).track)) == 1


def test_empty_frames_and_order_change_nothing():
    poses, _ = scene(crossing())
    mixed = np.random.default_rng(1).permutation(len(poses))
    other = track(poses[mixed]).track
    one = track(poses).track
    pairs = set(zip(one[mixed].tolist(), other.tolist(), strict=True))
    assert len(pairs) == 2
    assert len(track(Poses.empty("coco17", poses.images))) == 0


def test_tracks_that_are_there_stay():
    poses, who = scene(crossing())
    given = np.where(who == 0, 41, -1)
    found = track(poses.replace(track=given)).track
    assert set(found[who == 0]) == {41}
    assert set(found[who == 1]) == {42}
    assert 41 not in track(poses.replace(track=given), again=True).track


def test_poses_without_joints_are_somebody():
    poses, _ = scene(crossing(4))
    xy = poses.xy.copy()
    xy[3] = np.nan
    assert (track(poses.replace(xy=xy)).track >= 0).all()


def test_videos_are_apart():
    poses, _ = scene(crossing(6))
    images = [ImageRef(f"{'ab'[i > 2]}/{i:03}.jpg") for i in range(6)]
    found = track(poses.replace(images=tuple(images)))
    first = set(found.track[found.image <= 2])
    assert first.isdisjoint(found.track[found.image > 2])


def test_options_are_looked_at():
    poses, _ = scene(crossing(2))
    with pytest.raises(ArrayError, match="reach"):
        track(poses, reach=0)
    with pytest.raises(ArrayError, match="similarity"):
        track(poses, least_similarity=1)
    with pytest.raises(ArrayError, match="s over which tracks are joined"):
        track(poses, join_s=-1, fps=30)
    with pytest.raises(ArrayError, match="frames per second"):
        track(poses, join_s=1)


def lost(gone=range(40, 100), frames=140):
    """Two people of other proportions who walk side by side, both out of sight for 2 s."""
    poses, who = scene(
        np.stack([np.arange(frames)[:, None] * [2.0, 0.0] + [0, y] for y in (0, 60)])
    )
    xy = poses.xy.copy()
    xy[who == 1] = xy[who == 1].mean(1, keepdims=True) + (
        xy[who == 1] - xy[who == 1].mean(1, keepdims=True)
    ) * [0.6, 1.3]
    seen = ~np.isin(poses.image, list(gone))
    return poses.replace(xy=xy)[seen], who[seen]


def test_who_was_lost_for_long_is_joined():
    poses, who = lost()
    assert len(set(track(poses).track)) == 4
    joined = track(poses, join_s=4, fps=30)
    for p in (0, 1):
        assert len(set(joined.track[who == p])) == 1
    assert joined.history[-1].parameters == {"tracks": 2, "reach": 8, "joined": 2, "join_s": 4}
    assert len(set(track(poses, join_s=1, fps=30).track)) == 4, "for longer than asked"
    assert len(set(track(poses.replace(meta={"fps": 30}), join_s=4).track)) == 2


def test_what_is_joined_never_was_at_the_same_time():
    rng = np.random.default_rng(0)
    poses, _ = scene(np.cumsum(rng.normal(0, 9, (6, 200, 2)), 1) + rng.uniform(0, 300, (6, 1, 2)))
    poses = poses[rng.random(len(poses)) < 0.4]
    joined = track(poses, join_s=3, fps=30)
    pairs = list(zip(joined.image.tolist(), joined.track.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(joined.track) <= set(track(poses, reach=8).track), "ids of the first pass"


def test_tracks_of_the_source_are_not_joined():
    poses, who = lost()
    first = poses.image < 40
    given = poses.replace(track=np.where(first, who, who + 2))
    np.testing.assert_array_equal(track(given, join_s=4, fps=30).track, given.track)
    assert len(set(track(given, again=True, join_s=4, fps=30).track)) == 2
    some = poses.replace(track=np.where(first, who + 7, -1))
    assert set(track(some, join_s=4, fps=30).track[who == 1]) == {8}


def test_bodies_without_joints_are_not_joined():
    poses, _ = lost()
    gone = poses.replace(xy=np.full_like(poses.xy, np.nan))
    assert len(set(track(gone, join_s=4, fps=30).track)) == len(gone)
    assert len(track(Poses.empty("coco17", poses.images), join_s=4, fps=30)) == 0


def noisy(seed=0, people=5, frames=50):
    """People who walk at random, and what a tracker that errs makes of them."""
    rng = np.random.default_rng(seed)
    ways = np.cumsum(rng.normal(0, 12, (people, frames, 2)), 1) + rng.uniform(
        0, 200, (people, 1, 2)
    )
    truth, who = scene(ways)
    truth = truth.replace(track=who, extra=({"head_size": 24.0},) * len(truth))
    keep = rng.random(len(truth)) < 0.8
    xy = truth.xy[keep] + rng.normal(0, 6, (keep.sum(), 17, 2))
    xy[rng.random(xy.shape[:2]) < 0.1] = np.nan
    lost = rng.random(keep.sum()) < 0.2
    found = np.where(lost, rng.integers(0, people, keep.sum()), who[keep])
    return truth, truth[keep].replace(xy=xy, track=found)


def judged(frames, names):
    """Return the figures of motmetrics over frames (persons, ids, distances)."""
    mm = pytest.importorskip("motmetrics", reason="motmetrics is not installed")
    held = mm.MOTAccumulator(auto_id=True)
    for who, which, distance in frames:
        held.update(who, which, distance)
    found = mm.metrics.create().compute(held, metrics=names).iloc[0]
    events = held.mot_events
    return found, events["D"][events["Type"].isin(["MATCH", "SWITCH"])].sum()


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_motmetrics(seed):
    truth, poses = noisy(seed)
    ours = evaluate_tracking(truth, poses)
    likeness = Likeness(truth, poses)
    frames = []
    for persons, rows in likeness.frames():
        far = 1 - likeness.of(persons, rows)
        frames.append(
            (truth.track[persons], poses.track[rows], np.where(far <= 1 - SAME, far, np.nan))
        )
    names = ["idf1", "mota", "num_switches", "num_misses", "num_false_positives"]
    theirs, _ = judged(frames, names)
    assert [ours.idf1, ours.mota] == pytest.approx([theirs.idf1, theirs.mota])
    assert [ours.switches, ours.misses, ours.false_positives] == theirs[names[2:]].tolist()


@pytest.mark.parametrize("seed", range(2))
def test_figures_of_posetrack_are_those_of_poseval(seed):
    """Joint by joint in motmetrics, as poseval's evaluateTracking does."""
    truth, poses = noisy(seed)
    ours = evaluate_posetrack(truth, poses)
    names = ["num_misses", "num_switches", "num_false_positives", "num_objects", "num_detections"]
    found = []
    for k in range(17):
        frames = []
        for t in range(50):
            a = np.flatnonzero(truth.image == t)
            b = np.flatnonzero((poses.image == t) & poses.present[:, k])
            far = np.linalg.norm(truth.xy[a, None, k] - poses.xy[None, b, k], axis=-1) / 24
            frames.append((truth.track[a], poses.track[b], np.where(far <= 0.5, far, np.nan)))
        theirs, distance = judged(frames, names)
        found.append([*theirs[names].tolist(), distance])
    misses, switches, wrong, objects, matched, distance = np.array(found).T
    motas = 1 - (misses + switches + wrong) / objects
    assert list(ours.joints.values()) == pytest.approx(motas.tolist())
    assert [ours.mota, ours.motp] == pytest.approx([motas.mean(), (1 - distance / matched).mean()])
    shares = [(matched / (matched + wrong)).mean(), (matched / objects).mean()]
    assert [ours.precision, ours.recall] == pytest.approx(shares)
    assert ours.switches == switches.sum()


def test_ids_of_one_video_are_not_those_of_another():
    one, _ = noisy()
    images = tuple(ImageRef(f"w/{i:05}.jpg") for i in range(50))
    both = Poses.concat([one, one.replace(images=images)])
    swapped = both.replace(track=np.where(both.image >= 50, 4 - both.track, both.track))
    assert evaluate_tracking(both, swapped).idf1 == 1
    assert evaluate_posetrack(both, swapped).mota == 1


def test_posetrack_needs_heads():
    truth, poses = noisy()
    box = truth.replace(extra=({"bbox_head": [1, 1, 24, 32]},) * len(truth))
    wider = truth.replace(extra=({"head_size": 24},) * len(truth))
    assert evaluate_posetrack(box, poses) == evaluate_posetrack(wider, poses)
    for extra in ({}, {"head_size": 0}, {"bbox_head": [1, 2]}, {"head_size": "big"}):
        with pytest.raises(FormatError, match=r"head sizes.*--metric tracking"):
            evaluate_posetrack(truth.replace(extra=(extra,) * len(truth)), poses)


def test_what_was_mended_is_told():
    truth, who = scene(crossing())
    truth = truth.replace(track=who)
    late = truth.image >= 20
    before = truth.replace(track=np.where(late, 1 - who, who))
    figures = evaluate_tracking(truth, truth, before=before)
    assert (figures.switches, figures.switch_recall, figures.switch_precision) == (0, 1, 1)
    worse = evaluate_tracking(truth, before, before=truth)
    assert (worse.switches, worse.switch_precision) == (2, 0)
    assert np.isnan(worse.switch_recall)
    assert "switch_recall" not in evaluate_tracking(truth, truth).to_dict()

    turned, mirror = truth.xy.copy(), truth.skeleton.mirror
    turned[5:9] = turned[5:9][:, mirror]
    turned[30, 3:6] = np.nan
    before = truth.replace(xy=turned)
    found = evaluate_motion(truth, truth, before)
    assert (found.swapped, found.swap_recall, found.swap_precision) == (0, 1, 1)
    assert (found.gap_found, found.gap_error) == (1, 0)
    same = evaluate_motion(truth, before, before)
    assert (same.swap_recall, same.gap_found) == (0, 0)
    assert np.isnan(same.gap_error)
    assert same.swapped > 0.04
    assert evaluate_motion(truth, truth).gap_error is None


@pytest.mark.filterwarnings("error")
def test_people_without_joints_are_nobodys_error():
    truth, who = scene(crossing(6))
    truth = truth.replace(track=who)
    xy = truth.xy.copy()
    xy[3] = np.nan
    some = truth.replace(xy=xy)
    assert evaluate_motion(some, truth, some).error_px == 0
    assert evaluate_motion(truth, some, truth).found == pytest.approx(11 / 12)


def test_jerk_is_that_of_the_third_differences():
    t = np.arange(40.0)[:, None]
    truth, who = scene(np.stack([np.c_[t**3 / 60, 0 * t], np.c_[5 * t, 300 + 0 * t]]))
    truth = truth.replace(track=who)
    found = evaluate_motion(truth, truth)
    size = np.sqrt(BOX_FRACTION * np.prod(np.ptp(BODY, axis=0)))
    assert found.true_jerk == pytest.approx(0.1 / size / 2)
    assert found.jerk == found.true_jerk
    assert found.acceleration == 0
    several = truth.replace(track=None)
    assert np.isnan(evaluate_motion(several, several).jerk), "nobody knows who is who"


def test_figures_of_what_is_known():
    truth, who = scene(crossing())
    truth = truth.replace(track=who)
    perfect = evaluate_tracking(truth, truth)
    assert (perfect.idf1, perfect.mota, perfect.switches) == (1, 1, 0)
    half = truth.replace(track=np.where((who == 0) & (truth.image >= 20), 9, who))
    found = evaluate_tracking(truth, half)
    assert (found.switches, found.idf1) == (1, 0.75)
    assert found.mota == pytest.approx(1 - 1 / 80)
    near = evaluate_motion(truth, truth.replace(xy=truth.xy + np.array([3.0, 4.0])))
    assert near.error_px == pytest.approx(5)
    assert near.acceleration_px == pytest.approx(0, abs=1e-9)
    assert (near.found, near.pck["PCK@0.1"], near.pck["PCK@0.05"]) == (1, 1, 0)
    with pytest.raises(ArrayError, match="a track for every predicted pose"):
        evaluate_tracking(truth, truth.replace(track=None))
    with pytest.raises(ArrayError, match="openpose18"):
        evaluate_motion(truth, truth.to("openpose18"))


def moving(frames=80):
    body = refine.skeleton("coco17")
    swing = np.sin(np.arange(frames)[:, None, None] / 5 + np.arange(17)[:, None] * 2) * [9, 3]
    xy = BODY + swing + np.random.default_rng(2).normal(0, 0.5, (frames, 17, 2))
    images = [ImageRef(i) for i in range(frames)]
    return body, Poses.from_arrays(
        "coco17", xy, np.ones((frames, 17)), image=range(frames), images=images
    )


@pytest.mark.parametrize("parts", [("knee", "ankle", "hip"), ("wrist",), ("",)])
def test_flips_are_put_back_and_nothing_else(parts):
    body, poses = moving()
    joints = [i for i, n in enumerate(body.joints) if n.endswith(parts)]
    source = np.tile(np.arange(17), (80, 1))
    source[30:37, joints] = body.mirror[joints]
    bad = poses.replace(
        xy=np.take_along_axis(poses.xy, source[..., None], 1),
        score=np.arange(17.0) * np.ones((80, 1)),
    )
    good = unswap(bad, 30)
    np.testing.assert_array_equal(good.xy, poses.xy)
    moved = (good.score != bad.score)[30:37].any(0)
    assert set(np.flatnonzero(moved)) == {j for j in joints if body.mirror[j] != j}
    np.testing.assert_array_equal(unswap(poses, 30).xy, poses.xy)


def test_joints_that_are_missing_may_flip():
    body, poses = moving()
    xy = poses.xy.copy()
    xy[33, 15], xy[50:53] = np.nan, np.nan
    bad = xy.copy()
    bad[30:37] = xy[30:37][:, body.mirror]
    np.testing.assert_array_equal(unswap(poses.replace(xy=bad), 30).xy, xy)
