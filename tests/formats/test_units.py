"""Coordinates in shares of the image are never taken for px, whatever the format."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import FORMATS, read, write
from refine.formats._units import in_pixels

SIZE = [640, 360]
IN_PIXELS = [form for form in FORMATS.values() if not form.shares and form.name != "mpii"]
"""All but MPII, whose joints are others."""
TELLING = [form for form in IN_PIXELS if "history" not in form.cannot_hold]


@pytest.fixture
def shares():
    """Two persons on two images of one size; the feet of one are below the picture."""
    body = FORMATS["coco"].example().to("openpose18")
    xy = (body.xy[0] / [320, 320])[None].repeat(2, 0)
    xy[1, :, 1] *= 1.16
    assert 1.05 < np.nanmax(xy) < 1.06
    images = [refine.ImageRef(i, f"{i}.jpg", *SIZE, frame=i) for i in (1, 2)]
    score = np.where(np.isfinite(xy).all(-1), 0.5, 0)
    return refine.Poses.from_arrays(
        body.skeleton, xy, score, image=[0, 1], images=images, box=[[0, 0, 0.9, 1.06]] * 2
    )


def put(poses, form, folder):
    path = folder / ("in" if form.holdings[0] == "folder" else "in.json")
    write(poses, path, form.name)
    return lambda **options: read(path, form.name, skeleton=poses.skeleton, **options)


@pytest.fixture
def sizes(shares, tmp_path):
    write(shares, tmp_path / "sizes.json", "coco-gt")
    return tmp_path / "sizes.json"


@pytest.mark.parametrize("form", IN_PIXELS, ids=lambda form: form.name)
def test_shares_are_scaled_by_the_size_or_refused(form, shares, sizes, tmp_path):
    load = put(shares, form, tmp_path)
    knows = "image sizes" not in form.cannot_hold
    if not knows:
        for told in (None, True):
            with pytest.raises(FormatError, match=r"within \[0, 1\] and no size .*--sizes"):
                load(normalised=told)
    poses = load(images=None if knows else sizes)
    np.testing.assert_allclose(poses.xy, shares.xy * SIZE)
    assert any("--pixels" in note for note in poses.meta["notes"])
    if poses.box is not None:
        np.testing.assert_allclose(poses.box, shares.box * np.tile(SIZE, 2))
    told = load(images=sizes, normalised=True)
    np.testing.assert_array_equal(told.xy, poses.xy)
    assert not any("--pixels" in note for note in told.meta["notes"])


@pytest.mark.parametrize("form", IN_PIXELS, ids=lambda form: form.name)
def test_what_is_said_to_be_px_stays(form, shares, tmp_path):
    poses = put(shares, form, tmp_path)(normalised=False)
    np.testing.assert_array_equal(poses.xy, shares.xy)
    large = shares.replace(xy=shares.xy * SIZE, box=None)
    (tmp_path / "px").mkdir()
    poses = put(large, form, tmp_path / "px")()
    np.testing.assert_array_equal(poses.xy, large.xy)


def test_a_box_in_px_beside_shares_stays(file, shares):
    keypoints = np.c_[shares.xy[0, :17], np.ones(17)].ravel().tolist()
    row = {"image_id": 1, "category_id": 1, "keypoints": keypoints, "bbox": [10, 20, 300, 200]}
    images = file({"images": [{"id": 1, "width": 640, "height": 360}]}, "sizes.json")
    poses = read(file([row]), images=images)
    np.testing.assert_allclose(poses.xy[0], shares.xy[0, :17] * SIZE)
    assert poses.box.tolist() == [[10, 20, 310, 220]]


def test_halves_from_the_middle_are_refused(file, shares):
    xy = shares.xy[0] * 2 - 1
    people = [{"pose_keypoints_2d": np.c_[xy, np.ones(18)].ravel().tolist()}]
    source = file({"version": 1.3, "people": people, "canvas_width": 640, "canvas_height": 360})
    for form in ("openpose", "controlnet"):
        with pytest.raises(FormatError, match=r"within \[-1, 1\]; try --pixels.*--keypoint_scale"):
            read(source, form)


@pytest.mark.parametrize(
    "place", [[0, 0], [1, 1], [0.5, 0.5], [-1, -1]], ids=["origin", "one", "half", "minus"]
)
def test_places_that_are_few_or_whole_are_px(file, place):
    values = np.zeros((17, 3))
    values[3] = [*place, 0.5]
    assert read(file([{"image_id": 1, "keypoints": values.ravel().tolist()}])).xy.shape == (
        1,
        17,
        2,
    )
    ones = [{"image_id": 1, "keypoints": [1.0, 1.0, 0.5] * 17}]
    assert (read(file(ones)).xy == 1).all()


@pytest.mark.parametrize("form", TELLING, ids=lambda form: form.name)
def test_what_was_written_here_is_px_however_small(form, shares, sizes, tmp_path):
    own = shares.done("decode", preset="hrnet")
    load = put(own, form, tmp_path)
    poses = load(images=sizes)
    if form.name == "controlnet":  # Shares stay shares there, whatever was done to them.
        np.testing.assert_allclose(poses.xy, shares.xy * SIZE)
        return
    np.testing.assert_array_equal(poses.xy, shares.xy)
    assert sum("read as px" in note and "--normalised" in note for note in poses.meta["notes"]) == 1
    np.testing.assert_allclose(load(images=sizes, normalised=True).xy, shares.xy * SIZE)
    (tmp_path / "px").mkdir()
    large = put(own.replace(xy=own.xy * SIZE, box=None), form, tmp_path / "px")()
    assert not any("read as px" in note for note in large.meta.get("notes", ()))


def test_the_flags(cli, file, shares, sizes, tmp_path):
    write(shares, tmp_path / "a.json", "coco")
    common = ("convert", tmp_path / "a.json", "--skeleton", "openpose18", "-o", tmp_path / "b.json")
    assert cli(*common).code == 3
    result = cli(*common, "--images", sizes)
    assert (result.code, "were scaled by their sizes; --pixels" in result.err) == (0, True)
    assert cli(*common, "--pixels").code == 0
    result = cli(*common, "--normalised", "--images", sizes)
    assert (result.code, "--pixels" in result.err) == (0, False)
    x, y = json.loads((tmp_path / "b.json").read_text())[0]["keypoints"][:2]
    assert (x, y) == pytest.approx(tuple(shares.xy[0, 0] * SIZE))
    assert cli(*common, "--normalised").code == 3


@pytest.mark.parametrize("field", ["xy", "box"])
def test_shares_of_places_that_no_format_would_take_are_refused(field, shares):
    getattr(shares, field)[1, 2] = 2000
    with pytest.raises(FormatError, match="beyond 1,000,000 px for pose 1 on image 2"):
        in_pixels(shares, "in.json", whole=1)
