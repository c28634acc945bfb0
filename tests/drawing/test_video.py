"""Frames of a video: what is in them, how large they are, and that they come one by one."""

from itertools import repeat

import numpy as np
import pytest
from PIL import Image

import refine
from refine.drawing.files import WORKERS
from refine.drawing.palette import TRACKS
from refine.drawing.video import HEAD, Screen, film_poses, frame_size
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.motion.frames import timeline_of
from refine.poses import ImageRef, Poses
from tests.drawing.test_files import has
from tests.oracles.records import STANDING

SIZE = (320, 241)


def walking(frames=12, tracks=(0, 1), size=SIZE):
    """Return people who walk to the right, one below the other."""
    xy = np.stack(
        [
            STANDING * 0.4 + [3.0 * i, 60.0 * who]
            for i in range(frames)
            for who in range(len(tracks))
        ]
    )
    images = [ImageRef(i, f"{i:04}.png", *size) for i in range(frames)]
    image = np.repeat(np.arange(frames), len(tracks))
    poses = Poses.from_arrays("coco17", xy, image=image, images=images)
    return poses.replace(track=np.tile(tracks, frames))


def film(panels, screen=None, pictures=None):
    time = timeline_of(next(iter(panels.values())))
    shown = screen or Screen(SIZE, 25.0)
    return list(film_poses(panels, time, pictures or repeat(None, len(time.number)), shown))


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def near(picture, colour, by=60):
    """Tell which pixels are about of a colour."""
    return np.abs(np.asarray(picture, int) - rgb(colour)).sum(-1) < by


def test_all_frames_have_one_even_size():
    poses = walking()
    frames = film({"a": poses, "b": poses})
    assert len(frames) == 12
    assert {frame.size for frame in frames} == {(2 * 320, HEAD + 240)}
    assert {f.size for f in film({"a": poses}, Screen(SIZE, 25.0, 101))} == {(100, HEAD + 76)}
    wide = film({"a": walking(2, size=(4000, 100))}, Screen((4000, 100), 25.0))
    assert wide[0].size == (1920, HEAD + 48)


def test_tracks_keep_their_colours():
    frames = film({"a": walking(tracks=(0, 3))})
    for colour in (TRACKS[0], TRACKS[3]):
        assert all(near(frame, colour).sum() > 200 for frame in frames)
    assert near(film({"a": walking(1, tracks=(0, 4))})[0], TRACKS[3]).sum() < 20
    again = film({"a": walking(tracks=(len(TRACKS), 3))})
    assert near(again[0], TRACKS[0]).sum() > 200


def test_trails_go_back_as_far_as_asked_and_break_where_a_joint_is_missing():
    poses = walking(20, tracks=(2,))
    wrist = refine.skeleton("coco17").index("left_wrist")
    alone = np.full_like(poses.xy, np.nan)
    alone[:, wrist] = [[10.0 * i, 150.0] for i in range(20)]
    alone[8, wrist] = np.nan
    poses = poses.replace(xy=alone)

    def seen(trail_s):
        screen = Screen(SIZE, 10.0, trail_s=trail_s, joints=("left_wrist",))
        last = np.asarray(film({"a": poses}, screen)[-1].convert("L"))[HEAD + 149 : HEAD + 152]
        return (last < 240).any(0)

    assert not seen(0)[:180].any()
    short = seen(0.5)
    assert short[145:185].all()
    assert not short[:135].any()
    long = seen(1.95)
    assert long[20:70].mean() > 0.9
    assert not long[72:88].any()
    assert long[95:185].all()


def test_trails_need_to_know_who_is_who():
    nobody = walking().replace(track=None)
    with pytest.raises(ArrayError, match="expected tracks for trails"):
        film({"a": nobody}, Screen(SIZE, 25.0, trail_s=1.0))
    alone = walking(tracks=(0,)).replace(track=None)
    assert len(film({"a": alone}, Screen(SIZE, 25.0, trail_s=1.0))) == 12
    with pytest.raises(SkeletonError, match="left_wing"):
        film({"a": alone}, Screen(SIZE, 25.0, trail_s=1.0, joints=("left_wing",)))


def test_pictures_lie_under_the_poses():
    pictures = [Image.new("RGB", SIZE, "#FF00FF"), None, Image.new("RGB", (160, 120), "#FF00FF")]
    frames = film({"a": walking(3)}, pictures=pictures)
    shares = [near(frame, "#FF00FF").mean() for frame in frames]
    assert shares[0] > 0.6
    assert shares[1] == 0
    assert 0.1 < shares[2] < 0.3


def test_frames_that_the_file_lacks_are_there_too():
    poses = walking(6)
    numbers = [4, 8, 10, 2, 16, 14]
    images = tuple(ImageRef(n, None, *SIZE) for n in numbers)
    time = timeline_of(poses.replace(images=images))
    assert time.number.tolist() == [2, 4, 6, 8, 10, 12, 14, 16]
    assert time.image.tolist() == [3, 0, -1, 1, 2, -1, 5, 4]
    assert time.step == 2
    shown = [has(f, TRACKS[0]) for f in film({"a": poses.replace(images=images)})]
    assert shown == [True, True, False, True, True, False, True, True]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((), "got none"),
        (("a/1.png", "b/1.png"), "images of one video, got 2"),
        ((0, 10**9, 1), "numbers from 0 to 1000000000"),
        (("nobody",), "the number of their frame"),
    ],
)
def test_images_that_are_no_video(images, message):
    with pytest.raises(FormatError, match=message):
        timeline_of(Poses.empty("coco17", [ImageRef(i) for i in images]))


def test_few_frames_are_in_memory():
    taken = []

    def pictures():
        for i in range(400):
            taken.append(i)
            yield None

    poses = walking(400, tracks=(0,))
    frames = film_poses({"a": poses}, timeline_of(poses), pictures(), Screen(SIZE, 25.0))
    assert taken == []
    next(frames)
    assert len(taken) <= 2 * WORKERS + 2
    frames.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e9])
def test_places_beyond_all_reason(value):
    poses = walking(3)
    xy = poses.xy.copy()
    xy[::2, 3:9] = value
    frames = film({"a": poses.replace(xy=xy)}, Screen(SIZE, 25.0, trail_s=1.0))
    assert {frame.size for frame in frames} == {(320, HEAD + 240)}
    untold = poses.replace(xy=xy, images=tuple(ImageRef(i) for i in range(3)))
    assert max(frame_size([untold])) < 12_000


def test_a_size_that_nobody_tells_holds_all_joints():
    poses = walking()
    untold = poses.replace(images=tuple(ImageRef(i) for i in range(12)))
    width, height = frame_size([untold[:1], untold])
    right, low = poses.xy.max((0, 1))
    assert right < width < 1.2 * right
    assert low < height < 1.2 * low
    assert frame_size([poses]) == SIZE
