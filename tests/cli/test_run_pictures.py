"""`refine run --images`: what is said of pictures, and the exit code."""

import json

import pytest
from PIL import Image

from tests.oracles.records import row, store


@pytest.fixture
def go(cli, tmp_path):
    """Refine a pose each on images 1, 2, 3; return the result and what was written."""

    def run(*options):
        out = tmp_path / "out.json"
        pred = store(tmp_path, [row(i, 10.0 * i) for i in (1, 2, 3)])
        result = cli("run", pred, "-o", out, "--no-flip", "--steps", "correct", *options)
        return result, json.loads(out.read_text()) if out.exists() else None

    return run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pics"
    folder.mkdir()
    for i in (1, 2, 3):
        Image.new("RGB", (640, 480), (90, 60, 30 * i)).save(folder / f"{i:012}.jpg")
    return folder


def test_all_is_well(go, folder):
    result, after = go("--images", folder, "--json")
    facts = json.loads(result.out)
    assert (result.code, len(after)) == (0, 3)
    assert (facts["poses_seen"], facts["pictures_unread"], facts["pictures_unfit"]) == (3, 0, 0)
    assert "warning" not in result.err


@pytest.mark.parametrize("content", [b"", b"\xff\xd8 no", "cut"])
def test_a_broken_picture_is_named_and_the_exit_code_is_4(go, folder, content):
    broken = folder / "000000000002.jpg"
    broken.write_bytes(broken.read_bytes()[:700] if content == "cut" else content)
    result, after = go("--images", folder, "--json")
    assert (result.code, len(after)) == (4, 3)
    assert "warning: refined without 1 of the pictures, which could not be read: 0000" in result.err
    assert broken.name in result.err
    facts = json.loads(result.out)
    assert (facts["poses_seen"], facts["pictures_unread"]) == (2, 1)
    assert "partial" not in facts


def test_all_names_are_listed_with_verbose(go, folder):
    for path in folder.iterdir():
        path.write_bytes(b"")
    result, _ = go("--images", folder, "-v")
    assert result.code == 4
    assert [s for s in result.err.splitlines() if s.startswith("  ")] == [
        f"  {i:012}.jpg (an empty file)" for i in (1, 2, 3)
    ]
    assert not any(s.startswith("  ") for s in go("--images", folder)[0].err.splitlines())


def test_one_pixel_is_no_look(go, folder):
    Image.new("RGB", (1, 1)).save(folder / "000000000003.jpg")
    result, _ = go("--images", folder)
    assert result.code == 4
    assert "do not fit: 000000000003.jpg (joints outside of its 1 x 1 px)" in result.err


def test_a_missing_picture_is_counted(go, folder):
    (folder / "000000000003.jpg").unlink()
    result, _ = go("--images", folder)
    assert result.code == 0
    assert "warning: 2 of 3 images have a picture" in result.err
    assert "1 without a picture" in result.err


def test_no_picture_at_all_is_an_error(go, folder):
    for path in folder.iterdir():
        path.rename(folder / f"im{path.name}")
    result, after = go("--images", folder)
    assert (result.code, after) == (3, None)
    assert "im000000000001.jpg, im000000000002.jpg; try" in result.err
    assert "--sizes FILE.json" in result.err
    images = [{"id": i, "file_name": f"im{i:012}.jpg"} for i in (1, 2, 3)]
    (folder.parent / "sizes.json").write_text(json.dumps({"images": images}))
    result, _ = go("--images", folder, "--sizes", folder.parent / "sizes.json")
    assert result.code == 0
    assert "3 poses looked at" in result.err


def test_old_spellings_work_and_say_so(go, folder):
    images = [{"id": i, "file_name": f"{i:012}.jpg", "width": 640, "height": 480} for i in (1, 2)]
    sizes = folder.parent / "sizes.json"
    sizes.write_text(json.dumps({"images": images}))
    result, _ = go("--images", sizes, "--pictures", folder)
    assert result.code == 0
    assert "is called --sizes now" in result.err
    assert "3 poses looked at" in result.err


def test_other_verbs_look_at_no_pictures(cli, folder, tmp_path):
    pred = store(tmp_path, [row()])
    result = cli("convert", pred, "-o", tmp_path / "o.json", "--images", folder)
    assert result.code == 2
    assert "--sizes FILE.json" in result.err


def test_half_size_pictures_are_noticed_by_the_sizes_told(go, folder, tmp_path):
    images = [{"id": i, "width": 1280, "height": 960} for i in (1, 2, 3)]
    (tmp_path / "sizes.json").write_text(json.dumps({"images": images}))
    result, _ = go("--images", folder, "--sizes", tmp_path / "sizes.json")
    assert result.code == 4
    assert "without 3 of the pictures, which do not fit" in result.err
    assert "(640 x 480 px, told 1280 x 960)" in result.err
    assert "0 poses looked at" in result.err
