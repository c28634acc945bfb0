"""What is drawn where, checked pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

import refine
from refine.drawing.palette import CENTRE, LEFT, PAPER, RIGHT, TRUTH
from refine.drawing.poses import draw
from refine.exceptions import ArrayError, FormatError
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
    for box in ([0, 0, 5], [0, 0, np.nan, 5], [5, 5, 5, 9], [9, 0, 5, 5]):
        with pytest.raises(ArrayError, match="expected a box"):
            draw(poses, box_xyxy=box)
    with pytest.raises(ArrayError, match="some pixels"):
        draw(poses, np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(FormatError, match="got no regular file"):
        draw(poses, "nothing.jpg")


def test_a_part_of_the_picture_in_another_size():
    grey = np.full((100, 200), 200, np.uint8)
    poses = pose({"nose": (60, 50)}, size=(200, 100))
    part = draw(poses, grey, box_xyxy=[40, 40, 80, 60], size_px=200)
    assert part.size == (200, 100)
    assert close(part, 102, 52, CENTRE)
    beyond = draw(poses, grey, box_xyxy=[-20, 40, 80, 60])
    assert beyond.size == (100, 20)
    assert close(beyond, 10, 10, PAPER, 0)
    assert close(beyond, 30, 10, "#C8C8C8", 0)
    assert close(beyond, 80, 10, CENTRE)
    huge = draw(poses, grey, box_xyxy=[-1e12, -1e12, 1e12, 1e12])
    assert huge.size == (600, 300)


def test_a_file_is_turned_as_its_exif_says(tmp_path):
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = draw(pose({"nose": (20, 50)}), tmp_path / "a.jpg")
    assert image.size == (40, 60)
    assert np.asarray(image)[5, 20].min() > 250
    assert np.asarray(image)[35, 20].max() < 5


def test_only_some_of_the_poses():
    both = Poses.concat([pose({"nose": (50, 50)}), pose({"nose": (150, 150)})])
    image = draw(both, rows=[1])
    assert close(image, 50, 50, PAPER, 0)
    assert close(image, 150, 150, CENTRE)


def ink(image, x, y):
    return 255 - int(np.asarray(image)[y, x].min())


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        ("peak", [0, 0.2, 0.9]),
        ("flag", [0, 1, 2]),
        ("logit", [-4, 0, 4]),
        ("unknown", [0, 2, 12.5]),
        ("expected_ks", [0.01, 0.4, 0.9]),
    ],
)
def test_the_more_confident_the_more_opaque(kind, scores):
    names = ["left_wrist", "left_knee", "left_ear"]
    poses = pose({name: (40 + 60 * i, 100) for i, name in enumerate(names)})
    score = np.full((1, 17), np.nan)
    score[0, [BODY.index(name) for name in names]] = scores
    told = poses.replace(score=score, score_kind=kind)
    faint, middle, full = (ink(draw(told), 40 + 60 * i, 100) for i in range(3))
    assert 40 < faint < middle < full
    assert len({ink(draw(poses), 40 + 60 * i, 100) for i in range(3)}) == 1


def test_ellipses_show_how_uncertain_joints_are():
    poses = pose({"left_hip": (100, 100), "left_ankle": (100, 190), "left_eye": (20, 20)})
    score = np.full((1, 17), 0.8)
    refined = poses.replace(score=score, score_kind="expected_ks")
    plain = poses.replace(score=score, score_kind="peak")
    differs = np.abs(np.asarray(draw(refined), int) - np.asarray(draw(plain), int)).max(-1) > 5
    ys, xs = np.nonzero(differs[60:140, 60:140])
    area, sigma = 80 * 170, BODY.require_sigmas()[BODY.index("left_hip")]
    radius = 2 * sigma * np.sqrt(area) * np.sqrt(-2 * np.log(0.8))
    assert np.ptp(xs) / 2 == pytest.approx(radius, abs=1.5)
    assert np.ptp(ys) / 2 == pytest.approx(radius, abs=1.5)


def test_covariances_that_poses_carry_are_ellipses():
    poses = pose({"nose": (100, 100), "left_ankle": (190, 190)})
    covariance = np.full((17, 2, 2), np.nan)
    covariance[BODY.index("nose")] = [[400, 0], [0, 25]]
    told = poses.replace(extra=({"covariance": covariance.tolist()},))
    differs = (np.asarray(draw(told)) != np.asarray(draw(poses))).any(-1)
    ys, xs = np.nonzero(differs)
    assert (xs.min(), xs.max()) == pytest.approx((80, 120), abs=1.5)
    assert (ys.min(), ys.max()) == pytest.approx((95, 105), abs=1.5)
    with pytest.raises(ArrayError, match=r"expected covariance \(17, 2, 2\)"):
        draw(poses.replace(extra=({"covariance": [1, 2]},)))


def test_the_truth_lies_below_in_its_own_colour():
    truth = pose({"left_hip": (50, 50), "left_knee": (50, 150)})
    image = draw(pose({"left_hip": (100, 50), "left_knee": (100, 150)}), truth=truth)
    assert close(image, 50, 100, TRUTH)
    assert close(image, 100, 100, LEFT)
    assert close(draw(truth, truth=truth), 50, 100, LEFT)


def test_arrows_have_their_heads_where_the_joint_is():
    old = pose({**ARMS, "left_elbow": (190, 100)})
    image = np.asarray(draw(pose(ARMS), before=old), int)
    dark = (image.max(-1) < 60).sum(0)
    assert dark[126:133].max() > 2 * dark[150:180].max() > 0


def test_a_hundred_people_and_joints_at_one_place():
    xy = np.random.default_rng(0).uniform(0, 300, (100, 17, 2))
    xy[:50] = xy[:50, :1]
    xy[::7, ::3] = np.nan
    many = Poses.from_arrays(BODY, xy)
    image = draw(many, before=many.replace(xy=np.roll(xy, 1, 0)), truth=many)
    assert (np.asarray(image) < 200).any(-1).mean() > 0.05
