import numpy as np
import pytest
from PIL import Image

from refine.crops import crop_image
from refine.exceptions import FormatError
from refine.poses import ImageRef
from refine.refiner.image.crops import find_pictures
from refine.refiner.image.pictures import picture_sizes, read_picture


def save(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)


def test_pictures_are_found_by_name_by_stem_and_by_number(tmp_path):
    for name in ("000000000139.jpg", "a/b.png", "im7.jpg", "c.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            save(tmp_path / name)
    images = [
        ImageRef(139),
        ImageRef(1, file_name="a/b.png"),
        ImageRef(2, file_name="elsewhere/b.png"),
        ImageRef("im7"),
        ImageRef(7),
        ImageRef("c"),
    ]
    found = find_pictures(tmp_path, images)
    names = [p and p.relative_to(tmp_path).as_posix() for p in found]
    # Of two images that one picture could be of, it is that of the same folder.
    assert names == ["000000000139.jpg", "a/b.png", None, "im7.jpg", None, None]
    assert find_pictures(tmp_path, images[2:3]) == [tmp_path / "a/b.png"]


def test_a_name_that_occurs_twice_is_not_guessed(tmp_path):
    save(tmp_path / "x" / "1.jpg")
    save(tmp_path / "y" / "1.jpg")
    assert find_pictures(tmp_path, [ImageRef(1)]) == [None]
    exact = find_pictures(tmp_path, [ImageRef(1, file_name="x/1.jpg")])
    assert exact == [tmp_path / "x" / "1.jpg"]


def test_what_is_no_folder_or_no_picture_is_said(tmp_path):
    with pytest.raises(FormatError, match="folder of pictures"):
        find_pictures(tmp_path / "none", [])
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 not a picture")
    with pytest.raises(FormatError, match=r"bad\.jpg.*expected a picture"):
        read_picture(tmp_path / "bad.jpg")
    save(tmp_path / "good.png", (40, 30))
    data = (tmp_path / "good.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"half\.png"):
        read_picture(tmp_path / "half.png")
    assert picture_sizes(tmp_path / "good.png") == ((40, 30), (40, 30))


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    for mode in ("L", "RGBA", "P"):
        Image.new(mode, (5, 4)).save(tmp_path / f"{mode}.png")
        assert read_picture(tmp_path / f"{mode}.png").shape == (4, 5, 3)


def bilinear(picture, x, y):
    """The value at one place, black outside: the oracle of `crop_image`."""
    h, w = picture.shape[:2]
    total = np.zeros(3)
    for yt in (int(np.floor(y)), int(np.floor(y)) + 1):
        for xt in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= xt < w and 0 <= yt < h:
                total += (1 - abs(x - xt)) * (1 - abs(y - yt)) * picture[yt, xt]
    return total


def test_cutting_is_bilinear_where_pixels_do_not_shrink():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)
    angle, scale = 0.4, 1.3
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([linear, [[1.5], [2.25]]], 1)
    crop = crop_image(picture, matrix, (14, 12))
    assert crop.shape == (12, 14, 3)
    for v in range(12):
        for u in range(14):
            x, y = np.linalg.solve(linear, np.array([u, v]) - matrix[:, 2])
            np.testing.assert_allclose(crop[v, u], bilinear(picture, x, y), atol=0.51)


def test_shrinking_averages_over_all_pixels():
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    # A crop pixel holds 4 x 4: its centre lies at 4 u + 1.5.
    matrix = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]])
    crop = crop_image(picture, matrix, (10, 10)).astype(float)
    mean = picture.reshape(10, 4, 10, 4, 3).mean((1, 3))
    assert np.abs(crop - mean).max() <= 0.51
