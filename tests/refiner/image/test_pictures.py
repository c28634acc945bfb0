"""Pictures are read as who predicted read them; those that do not fit are noticed."""

import os
import subprocess
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from refine.exceptions import FormatError, RefineWarning
from refine.poses import ImageRef, Poses
from refine.refiner.image.pictures import (
    TURNS,
    check_found,
    look_at,
    picture_sizes,
    read_picture,
    tell,
)
from refine.skeletons import skeleton

COCO = skeleton("coco17")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)
BACK = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}


def store_turned(path, pixels, orientation):
    """Store pixels so that the orientation makes them upright again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).transpose(TURNS[BACK[orientation]]).save(path, exif=exif)


def poses_at(xy, size=(None, None)):
    images = (ImageRef(1, "1.png", *size),)
    return Poses.from_arrays(COCO, np.broadcast_to(xy, (1, 17, 2)), images=images)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_makes_pictures_upright(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(PIXELS).transpose(TURNS[BACK[orientation]])
    stored.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_picture(path), PIXELS)
    assert picture_sizes(path)[0] == (9, 6)
    as_stored = read_picture(path, exif=False)
    if suffix != "tif":  # whose orientation is part of the format
        np.testing.assert_array_equal(as_stored, np.asarray(stored))
    assert picture_sizes(path, exif=False)[0] == as_stored.shape[1::-1]


def test_damaged_exif_is_none(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_grey_is_scaled_by_its_range(tmp_path, bits, suffix):
    grey = PIXELS[..., 0].copy()
    grey[0, 0] = 255
    deep = np.round(grey * ((2**bits - 1) / 255)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{suffix}")
    got = read_picture(tmp_path / f"a.{suffix}")
    assert got.shape == (6, 9, 3)
    np.testing.assert_array_equal(got, np.repeat(grey[..., None], 3, 2))


def test_floats_and_long_integers_are_scaled_or_refused(tmp_path):
    path, grey = tmp_path / "a.tif", PIXELS[..., 0]
    for values in (grey / np.float32(255), grey.astype(np.float32), grey.astype(np.int32) * 257):
        Image.fromarray(values).save(path)
        np.testing.assert_array_equal(read_picture(path)[..., 1], grey)
    for values in (grey - np.float32(300), grey * np.float32(9), np.full((2, 2), np.nan, "f4"),
                   grey.astype(np.int32) - 256, grey.astype(np.int32) << 12):  # fmt: skip
        Image.fromarray(values).save(path)
        with pytest.raises(FormatError, match=r"a\.tif: expected grey"):
            read_picture(path)


def test_what_starts_programs_or_waits_is_no_picture(tmp_path):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    (tmp_path / "a.jpg").write_bytes(eps)
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "d.jpg").mkdir()
    os.mkfifo(tmp_path / "c.jpg")
    for name, why in (("a", "something else"), ("b", "empty"), ("c", "regular"), ("d", "regular")):
        for read in (read_picture, picture_sizes):
            with pytest.raises(FormatError, match=rf"{name}\.jpg: expected a picture, got.*{why}"):
                read(tmp_path / f"{name}.jpg")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp", "gif"])
def test_damaged_bytes_are_a_picture_or_a_named_error(tmp_path, suffix, recwarn):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path)
    data = path.read_bytes()
    for _ in range(150):
        broken = bytearray(data[: RNG.integers(8, len(data) + 1)])
        for at in RNG.integers(0, min(len(broken), 120), 3):
            broken[at] = RNG.integers(256)
        path.write_bytes(broken)
        for read in (read_picture, picture_sizes):
            with suppress(FormatError):
                read(path)


def test_pictures_of_another_size_than_told_are_left_out(tmp_path):
    path = tmp_path / "1.png"
    for size, fits in (((40, 30), True), ((20, 15), False), ((1, 1), False), ((30, 40), False)):
        Image.new("RGB", size).save(path)
        sight = look_at(poses_at([5.0, 5.0], (40, 30)), [path])
        assert (sight.pictures == [path]) == fits
        assert list(sight.unfit) == ([] if fits else ["1.png"])
        assert (sight.poses.images[0].width, sight.poses.images[0].height) == (40, 30)
    with pytest.warns(RefineWarning, match=r"do not fit: 1\.png \(30 x 40 px, told 40 x 30\)"):
        tell(sight, exif=True)


def test_pictures_without_their_joints_are_left_out(tmp_path):
    path = tmp_path / "1.png"
    Image.new("RGB", (40, 30)).save(path)
    sight = look_at(poses_at([39.0, 29.0]), [path])
    assert sight.pictures == [path]
    assert sight.poses.images[0].width == 40
    sight = look_at(poses_at([50.0, 29.0]), [path])
    assert (sight.pictures, list(sight.unfit)) == ([None], ["1.png"])
    assert sight.poses.images[0].width is None
    # Of a face that fills the picture most joints lie below.
    face = np.full((17, 2), [20.0, 60.0])
    face[:5] = 15
    assert look_at(poses_at(face), [path]).pictures == [path]
    nothing = poses_at([np.nan, np.nan])
    assert look_at(nothing, [path]).pictures == [path]


@pytest.mark.parametrize("told", [True, False])
def test_the_wrong_choice_of_exif_is_noticed(tmp_path, told):
    path = tmp_path / "1.png"
    store_turned(path, np.zeros((30, 60, 3), np.uint8), 6)
    upright = poses_at([50.0, 20.0], (60, 30) if told else (None, None))
    assert look_at(upright, [path]).otherwise == 0
    sight = look_at(upright, [path], exif=False)
    assert (sight.pictures, sight.otherwise) == ([None], 1)
    with pytest.warns(RefineWarning) as said:
        tell(sight, exif=False)
    assert "--exif" in str(said[1].message)
    stored = poses_at([20.0, 50.0], (30, 60) if told else (None, None))
    assert look_at(stored, [path], exif=False).otherwise == 0
    with pytest.warns(RefineWarning) as said:
        tell(look_at(stored, [path]), exif=True)
    assert "--no-exif" in str(said[1].message)


def test_arrays_are_compared_with_what_is_told(tmp_path):
    pixels = np.zeros((30, 40, 3), np.uint8)
    assert look_at(poses_at([5.0, 5.0], (40, 30)), [pixels]).unfit == {}
    assert list(look_at(poses_at([5.0, 5.0], (80, 60)), [pixels]).unfit) == ["image 1"]


def test_none_of_the_pictures_is_an_error_that_shows_some(tmp_path):
    poses = poses_at([5.0, 5.0])
    poses = poses.replace(images=(ImageRef(9501),))
    with pytest.raises(FormatError, match=r"1 images, such as 9501, got no picture"):
        check_found(tmp_path, [None], poses)
    for name in ("im09501.jpg", "im09502.jpg", "im09503.jpg"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    with pytest.raises(FormatError, match=r"im09501\.jpg, im09502\.jpg; .*--sizes.*file_name"):
        check_found(tmp_path, [None], poses)
    two = replace(poses, images=(*poses.images, ImageRef(2)))
    with pytest.warns(RefineWarning, match=r"1 of 2 images have a picture in .*found: 9501"):
        check_found(tmp_path, [None, tmp_path / "im09502.jpg"], two)


def test_ghostscript_is_never_started(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda *a, **k: pytest.fail("started"))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n\n")
    with pytest.raises(FormatError):
        read_picture(tmp_path / "a.png")
