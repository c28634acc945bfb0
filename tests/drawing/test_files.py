"""Sheets and files: what is in them, what they are called, what a broken picture does."""

import io

import numpy as np
import pytest
from PIL import Image

import refine
from refine.drawing.cases import find_cases
from refine.drawing.cells import Look, draw_case, frame_around, show_case
from refine.drawing.files import Pictures, contact_sheet, encode, find_drawn, names_of, write_each
from refine.drawing.palette import LEFT, SIDELESS, TRUTH
from refine.drawing.raster import paint
from refine.drawing.stages import line_up
from refine.exceptions import ArrayError, FormatError
from refine.poses import ImageRef, Poses
from tests.drawing.test_cases import people, truth_of
from tests.oracles.records import STANDING

SIZED = [ImageRef(i, f"{i}.png", 640, 480) for i in range(5)]


def three_stages():
    before = people((0, 0), (1, 100), images=SIZED)
    xy = before.xy.copy()
    xy[:, 9] = np.nan
    return line_up({"before": before.replace(xy=xy), "after": before}, truth_of(before))


def has(image, colour):
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(np.asarray(image, int) - rgb).max(-1) < 8).any())


def test_a_row_tells_what_is_seen():
    stages = three_stages()
    row = show_case(stages, find_cases(stages)[1], None, Look(200))
    assert row.title == "1.png"
    assert list(row.captions) == [
        "1 pose, 16 joints; OKS 0.94",
        "1 pose, 17 joints, 1 filled, 0 moved; OKS 1.00",
        "1 person, 17 labelled joints",
    ]
    assert {(c.width, c.height) for c in row.cells} == {(200, 150)}


def test_a_sheet_has_a_row_per_case_and_a_column_per_stage():
    stages = three_stages()
    cases, none = find_cases(stages), Pictures([None] * 5)
    whole = contact_sheet(stages, cases, none, Look(200))
    one = contact_sheet(stages, cases[:1], none, Look(200))
    assert whole.width == one.width == 12 + 3 * 212
    assert len(whole.parts) == 2 * 3 + 1
    alone = line_up({"a": stages.poses[0]})
    assert len(contact_sheet(alone, find_cases(alone), none, Look(200)).texts) == 2 + 1
    counted = []
    contact_sheet(stages, cases, none, Look(50), counted.append)
    assert counted == [1, 2]


def test_a_sheet_in_pixels_shows_the_pictures(tmp_path):
    stages = three_stages()
    Image.new("RGB", (640, 480), "#FF00FF").save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"\x89PNG broken")
    pictures = find_drawn(stages, find_cases(stages), tmp_path)
    image = paint(contact_sheet(stages, find_cases(stages), pictures, Look(200)))
    assert has(image, "#FF00FF")
    assert has(image, LEFT)
    assert list(pictures.sight.unread) == ["1.png"]
    broken = Pictures([None, tmp_path / "1.png", None, None, None])
    with pytest.raises(FormatError, match="expected a picture"):
        contact_sheet(stages, find_cases(stages), broken, Look(200))


def test_a_file_per_case(tmp_path):
    stages = three_stages()
    cases, none = find_cases(stages), Pictures([None] * 5)
    for encoding, kind in (("jpg", "JPEG"), ("png", "PNG")):
        names = write_each(stages, cases, none, Look(None, crop=False), tmp_path, encoding)
        assert names == [f"0.{encoding}", f"1.{encoding}"]
        with Image.open(tmp_path / names[0]) as image:
            assert image.size == (640, 480)
            assert image.format == kind
    moved = stages.truth.replace(xy=stages.truth.xy + 100)
    shifted = line_up({"a": stages.poses[1]}, truth_of(moved))
    image = paint(draw_case(shifted, find_cases(shifted)[0], None, Look(None, crop=False)))
    assert has(image, TRUTH)
    write_each(stages, cases, none, Look(100), tmp_path, "svg")
    assert (tmp_path / "1.svg").read_bytes().startswith(b"<svg")


def test_names_are_those_of_the_images():
    def named(*refs, each=1, persons=False):
        poses = people(*((i, 300 * j) for i in range(len(refs)) for j in range(each)), images=refs)
        stages = line_up({"a": poses})
        return names_of(stages, find_cases(stages, persons=persons))

    assert named(ImageRef(7), ImageRef("a.b"), ImageRef(9, "x/000009.jpg")) == [
        "7",
        "a.b",
        "000009",
    ]
    assert named(ImageRef(1, "cam1/1.jpg"), ImageRef(2, "cam2/1.jpg")) == ["cam1_1", "cam2_1"]
    assert named(ImageRef(1, r"c:\a\1.jpg"), ImageRef(2, "../../etc/pass wd")) == ["1", "pass wd"]
    assert named(ImageRef("..")) == ["image"]
    assert named(ImageRef("a\0/\udcff*")) == ["__"]
    assert named(ImageRef("x" * 500))[0] == "x" * 80
    assert named(ImageRef(7), each=3, persons=True) == ["7-1", "7-2", "7-3"]
    assert named(ImageRef("7"), ImageRef("7-1"), each=2, persons=True) == [
        "7-1", "7-2", "7-1-1", "7-1-2",
    ]  # fmt: skip
    twice = named(ImageRef(7), ImageRef("7"), ImageRef("a", "q/7.png"))
    assert len(set(twice)) == 3


def test_a_sheet_that_no_one_could_open():
    stages = three_stages()
    canvas = contact_sheet(stages, find_cases(stages), Pictures([None] * 5), Look(60_000))
    with pytest.raises(ArrayError, match="at most 65500 px"):
        encode(canvas, "png")


def test_frames_hold_the_poses_in_the_right_shape():
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = tuple(rng.integers(1, 2000, 2).tolist())
        xy = rng.uniform(-100, 2000, (3, 17, 2))
        x0, y0, x1, y1 = frame_around([xy, np.full((1, 17, 2), np.nan)], size)
        inside = xy.reshape(-1, 2).clip(0, size)
        assert (inside >= [x0, y0]).all()
        assert (inside <= [x1, y1]).all()
        assert abs((x1 - x0) - (y1 - y0) * 4 / 3) < 3
    whole = frame_around([np.zeros((0, 17, 2))], (640, 480))
    assert whole == (0, 0, 640, 480)
    x0, _, x1, _ = frame_around([np.full((1, 17, 2), 300.0)], (640, 480))
    assert x1 - x0 >= 64


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e9, 0.0])
def test_poses_of_rubbish(value):
    xy = np.array([STANDING, np.full((17, 2), value)])
    stages = line_up(
        {"a": Poses.from_arrays("coco17", xy[::-1]), "b": Poses.from_arrays("coco17", xy)}
    )
    none = Pictures([None])
    for look in (Look(64), Look(None, crop=False)):
        for persons in (False, True):
            cases = find_cases(stages, persons=persons)
            image = Image.open(io.BytesIO(encode(contact_sheet(stages, cases, none, look), "png")))
            assert max(image.size) < 10_000 * 3
            for case in cases:
                assert paint(draw_case(stages, case, None, look)).size[0] > 0


def test_every_skeleton_that_ships():
    rng = np.random.default_rng(0)
    for name in refine.skeletons.skeleton_names():
        body = refine.skeleton(name)
        poses = Poses.from_arrays(body, rng.uniform(0, 200, (1, len(body), 2)))
        stages = line_up({"a": poses, "b": poses})
        (case,) = find_cases(stages)
        image = paint(draw_case(stages, case, None, Look(300)))
        assert has(image, LEFT) or (name == "hand21" and has(image, SIDELESS)), name
