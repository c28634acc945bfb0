"""Joints over time: what is taken from which stage, where lines break, what is marked."""

import numpy as np
import pytest

import refine
from refine.drawing.files import encode
from refine.drawing.palette import AFTER, BEFORE, PURPLE
from refine.drawing.raster import paint
from refine.drawing.stages import line_up
from refine.drawing.trajectories import (
    courses_of,
    draw_course,
    find_course,
    nice_ticks,
    speed,
    thinned,
    usual_joints,
)
from refine.exceptions import ArrayError
from refine.poses import ImageRef
from tests.drawing.test_video import near, walking

BODY = refine.skeleton("coco17")
WRIST = BODY.index("left_wrist")


def test_before_is_found_without_its_tracks():
    after = walking(20, tracks=(4, 6))
    xy = after.xy + np.random.default_rng(0).normal(0, 1, after.xy.shape)
    xy[10, WRIST] = np.nan
    before = after.replace(xy=xy, track=None)
    order = np.random.default_rng(1).permutation(len(before))
    kept = order[order != 14]
    course = find_course(line_up({"a": before[kept], "b": after}), 10.0, 4)
    assert (course.track, course.of) == (4, 2)
    assert course.time.tolist() == pytest.approx((np.arange(20) / 10).tolist())
    np.testing.assert_array_equal(course.after, after.xy[after.track == 4])
    own = xy[after.track == 4]
    own[7] = np.nan  # row 14, which is track 4's on frame 7
    np.testing.assert_array_equal(course.before, own)
    assert np.isnan(course.before[5, WRIST]).all()


def test_frames_that_a_track_lacks_are_gaps():
    poses = walking(20, tracks=(3,))[np.r_[2:8, 12:20]]
    images = tuple(ImageRef(5 * i, None, 320, 240) for i in range(20))
    (course,) = courses_of(line_up({"a": poses.replace(images=images)}), 50.0)
    assert course.time.tolist() == pytest.approx((np.arange(2, 20) / 10).tolist())
    assert np.isnan(course.after[6:10]).all()
    assert np.isfinite(course.after[:6]).all()
    assert course.before is None
    assert course.title == "track 3, 18 frames, 1.70 s"


def test_the_longest_track_comes_first_and_unknown_ones_are_refused():
    poses = walking(9, tracks=(1, 2))
    short = poses[(poses.track == 2) | (poses.image < 4)]
    stages = line_up({"a": short})
    assert [course.track for course in courses_of(stages, 5.0)] == [2, 1]
    with pytest.raises(ArrayError, match="got 7; try --track with one of 2, 1"):
        find_course(stages, 5.0, 7)
    with pytest.raises(ArrayError, match="got none"):
        find_course(line_up({"a": short[:0]}), 5.0)


def test_flips_are_marked():
    poses = walking(30, tracks=(0,))
    xy = poses.xy.copy()
    xy[12:16] = xy[12:16][:, BODY.mirror]
    course = find_course(line_up({"a": poses.replace(xy=xy), "b": poses}), 30.0)
    assert course.flipped[12:16, WRIST].all()
    assert not course.flipped[:12].any()
    picture = paint(draw_course(course, [WRIST]))
    assert near(picture, PURPLE).any()
    calm = find_course(line_up({"a": poses, "b": poses}), 30.0)
    assert not near(paint(draw_course(calm, [WRIST])), PURPLE).any()


def test_a_row_for_each_joint_and_lines_of_both():
    poses = walking(30, tracks=(0,))
    moved = poses.replace(xy=poses.xy + np.array([0, 3.0]))
    course = find_course(line_up({"a": poses, "b": moved}), 30.0)
    one, two = (draw_course(course, joints, ("old", "new")) for joints in ([3], [3, WRIST]))
    assert two.height > one.height
    picture = paint(two)
    assert near(picture, BEFORE).sum() > 300
    assert near(picture, AFTER).sum() > 300
    text = encode(two, "svg").decode()
    assert all(f">{word}</text>" in text for word in ("old", "new", "left wrist", "speed, px/s"))
    assert text.count("<polyline") == 2 * 2 * 3


def test_joints_that_changed_most_are_drawn():
    poses = walking(10, tracks=(0,))
    xy = poses.xy.copy()
    xy[:, [3, WRIST]] += [9, 0]
    assert usual_joints(find_course(line_up({"a": poses, "b": poses.replace(xy=xy)}), 9.0), 2) == [
        3,
        WRIST,
    ]
    assert len(usual_joints(find_course(line_up({"a": poses}), 9.0), 4)) == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e308, 0.0])
def test_places_of_nothing(value):
    poses = walking(6, tracks=(0,))
    xy = poses.xy.copy()
    xy[2:4] = value
    for some in (poses.replace(xy=xy), poses.replace(xy=np.full_like(xy, value)), poses[:1]):
        course = find_course(line_up({"a": poses, "b": some}), 25.0)
        encode(draw_course(course, [0, WRIST]), "png")
        usual_joints(course, 4)


def test_long_lines_keep_their_peaks_and_gaps():
    time = np.arange(10_000.0)
    values = np.sin(time / 300)
    values[4321], values[6000:6500] = 50.0, np.nan
    short, kept = thinned(time, values, 600)
    assert len(short) == len(kept) <= 600
    assert np.nanmax(kept) == 50
    assert np.isnan(kept[(short > 6100) & (short < 6400)]).all()
    assert (np.diff(short) > 0).all()
    assert len(thinned(time[:600], values[:600], 600)[0]) == 600


def test_speed_and_ticks():
    xy = np.array([[0.0, 0], [3, 4], [np.nan, 0], [1, 1]])
    assert np.nan_to_num(speed(xy, np.array([0, 0.5, 1, 1.5])), nan=-1).tolist() == [-1, 10, -1, -1]
    rng = np.random.default_rng(0)
    for _ in range(200):
        low = rng.uniform(-1e4, 1e4)
        high = low + 10 ** rng.uniform(-3, 6)
        ticks = nice_ticks(low, high)
        assert 3 <= len(ticks) <= 11
        assert low <= ticks[0] <= ticks[-1] <= high
