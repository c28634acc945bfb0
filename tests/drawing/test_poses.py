"""What is drawn where, checked pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

import refine
from refine.drawing.palette import CENTRE, LEFT, PAPER, RIGHT
from refine.drawing.poses import draw
from refine.drawing.sheet import before_after
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses

BODY = refine.skeleton("coco17")


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def close(image, x, y, colour, tolerance=40):
    return np.abs(np.asarray(image, int)[y, x] - rgb(colour)).max() <= tolerance


def pose(points, size=(200, 200), body=BODY):
    """One pose with some joints, by name, on an image of known size."""
    xy = np.full((1, len(body), 2), np.nan)
    for name, place in points.items():
        xy[0, body.index(name)] = place
    return Poses.from_arrays(body, xy, images=[ImageRef(1, None, *size)])


ARMS = {
    "left_shoulder": (120, 40),
    "left_elbow": (120, 100),
    "right_shoulder": (40, 40),
    "right_elbow": (40, 100),
}


def test_limbs_have_the_colour_of_their_side():
    image = draw(pose(ARMS))
    assert image.size == (200, 200)
    assert image.mode == "RGB"
    assert close(image, 120, 70, LEFT)
    assert close(image, 40, 70, RIGHT)
    assert close(image, 80, 40, CENTRE)
    assert close(image, 80, 100, PAPER, 0)


@pytest.mark.parametrize("gone", ["left_elbow", "right_elbow"])
def test_missing_joints_take_their_limbs_along(gone):
    image = draw(pose({k: v for k, v in ARMS.items() if k != gone}))
    x = ARMS[gone][0]
    assert close(image, x, 70, PAPER, 0)
    assert close(image, x, 100, PAPER, 0)
    assert close(image, 160 - x, 70, RIGHT if gone.startswith("left") else LEFT)


def test_filled_joints_are_hollow_and_their_limbs_thin():
    old = pose({k: v for k, v in ARMS.items() if k != "left_elbow"})
    given, filled = draw(pose(ARMS)), draw(pose(ARMS), before=old)
    assert close(given, 120, 100, LEFT)
    assert close(filled, 120, 100, PAPER)
    assert close(filled, 40, 100, RIGHT)

    def ink(image):
        return (255 - np.asarray(image, int)[70, 110:131]).sum()

    assert 0 < ink(filled) < 0.7 * ink(given)


def test_moved_joints_trail_from_the_old_place():
    old = pose({**ARMS, "left_elbow": (180, 100)})
    image = draw(pose(ARMS), before=old)
    assert np.asarray(image)[100, 150].sum() < 300
    assert np.asarray(image)[100, 180].sum() < 200
    assert close(draw(pose(ARMS), before=pose(ARMS)), 150, 100, PAPER, 0)


@pytest.mark.parametrize("scale", [1.0, 2.5, 0.5])
def test_pixel_centres_are_on_integers_at_every_scale(scale):
    image = draw(pose({"nose": (60, 90)}), size_px=round(200 * scale))
    dark = 255.0 - np.asarray(image.convert("L"), float)
    y, x = (np.arange(n) + 0.5 for n in dark.shape)
    centre = (dark.sum(0) @ x / dark.sum(), dark.sum(1) @ y / dark.sum())
    assert image.size == (200 * scale, 200 * scale)
    assert centre == pytest.approx((60.5 * scale, 90.5 * scale), abs=0.3)


def test_edges_are_smooth():
    slanted = draw(pose({"left_shoulder": (20, 20), "left_elbow": (180, 131)}))
    assert len(np.unique(np.asarray(slanted).reshape(-1, 3), axis=0)) > 4


def test_pictures_of_every_kind_are_drawn_over_and_not_changed():
    grey = np.full((50, 80), 200, np.uint8)
    for picture in (grey, np.dstack([grey] * 3), Image.fromarray(grey)):
        before = np.array(picture)
        image = draw(pose({"nose": (40, 25)}), picture)
        assert image.size == (80, 50)
        assert close(image, 70, 45, "#C8C8C8", 0)
        assert close(image, 40, 25, CENTRE)
        np.testing.assert_array_equal(np.asarray(picture), before)


def test_a_canvas_without_a_size_holds_the_poses():
    bare = Poses.from_arrays(BODY, np.where(np.arange(34).reshape(17, 2) < 4, 30.0, np.nan))
    assert draw(bare).size == (31, 31)
    assert draw(bare[:0]).size == (1, 1)


@pytest.mark.parametrize("place", [(np.nan, np.nan), (1e300, 5.0), (-1e9, -1e9), (5.0, 601.0)])
def test_joints_beyond_reach_are_not_drawn(place):
    poses = pose({"left_shoulder": place, "nose": (20, 20)})
    image = draw(poses)
    alone = draw(pose({"nose": (20, 20)}))
    assert image.tobytes() == alone.tobytes()
    assert draw(pose({"nose": (20, 20)}), before=poses).size == (200, 200)


@pytest.mark.parametrize("name", ["mpii16", "openpose25", "hand21", "wholebody133"])
def test_any_skeleton(name):
    body = refine.skeleton(name)
    xy = np.random.default_rng(0).uniform(0, 100, (2, len(body), 2))
    image = draw(Poses.from_arrays(body, xy))
    assert (np.asarray(image) < 200).any(-1).mean() > 0.05


def test_bad_arguments():
    poses = pose(ARMS)
    both = Poses.concat([poses, poses.replace(images=(ImageRef(2),))])
    with pytest.raises(ArrayError, match="on one image"):
        draw(both)
    with pytest.raises(ArrayError, match="same poses before"):
        draw(poses, before=poses[:0])
    with pytest.raises(ArrayError, match="at least 1 px"):
        draw(poses, size_px=0)
    with pytest.raises(ArrayError, match="of uint8"):
        draw(poses, np.zeros((5, 5, 4), np.uint8))
    with pytest.raises(ArrayError, match=r"expected source \(1,\)"):
        before_after(poses, poses, source=[1])
    with pytest.raises(ArrayError, match="at least one image"):
        before_after(poses, poses, ids=[])


def sheet_poses():
    first, second = (
        pose(ARMS),
        pose({"nose": (90, 90)}).replace(images=(ImageRef(2, None, 200, 200),)),
    )
    return Poses.concat([first, first, second])


def test_a_sheet_has_a_row_an_image_and_a_column_a_stage():
    before = sheet_poses()
    after = before[1:]
    two = before_after(before, after, source=[1, 2], width=200)
    three = before_after(before, after, truth=before, source=[1, 2], width=200)
    assert three.width - two.width == 210
    assert three.height == two.height
    one = before_after(before, after, source=[1, 2], ids=[2], width=200)
    assert two.height - one.height == 150 + 24 + 10


def test_a_sheet_aligns_poses_by_source():
    before = sheet_poses()
    moved = before.replace(xy=before.xy + np.array([30.0, 0]))
    plain = before_after(before, before[2:], source=[2], ids=[2], width=200)
    trail = before_after(before, moved[2:], source=[2], ids=[2], width=200)
    assert plain.tobytes() != trail.tobytes()
    np.testing.assert_array_equal(before.xy, sheet_poses().xy)


def test_captions_and_pictures_are_shown():
    before = sheet_poses()
    plain = before_after(before, before, width=200)
    told = before_after(before, before, captions={1: ("some", "words")}, width=200)
    shown = before_after(before, before, pictures={2: np.zeros((200, 200), np.uint8)}, width=200)
    assert plain.size == told.size == shown.size
    differs = (np.asarray(plain) != np.asarray(told)).any(-1)
    assert 0 < differs.any(1).sum() < 24
    assert np.asarray(shown, int).sum() < np.asarray(plain, int).sum()
