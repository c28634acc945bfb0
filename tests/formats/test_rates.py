"""Frames per second: read where files tell them, carried, said where lost, and held against."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, FormatError, RefineWarning
from refine.formats import FORMATS
from refine.motion.frames import rate_of

KEEP = [name for name, form in FORMATS.items() if "frames per second" not in form.cannot_hold]


def video(**changes):
    """Return a person on three frames of 25 frames per second."""
    xy = np.arange(2.0, 104.0).reshape(3, 17, 2)
    images = [refine.ImageRef(i, f"{i}.jpg", 640, 480, frame=i) for i in range(3)]
    poses = refine.Poses.from_arrays("coco17", xy, image=range(3), images=images)
    return poses.replace(track=np.zeros(3, np.int64), meta={"fps": 25.0}, **changes)


def test_formats_that_keep_them():
    assert sorted(KEEP) == ["movement", "ndjson", "parquet", "sleap"]


@pytest.mark.parametrize("source", KEEP)
@pytest.mark.parametrize("target", KEEP)
def test_they_go_from_format_to_format(source, target, tmp_path):
    refine.write(video(), tmp_path / "a.json", source)
    refine.write(refine.read(tmp_path / "a.json", source), tmp_path / "b.json", target)
    assert rate_of(refine.read(tmp_path / "b.json", target), None) == 25


@pytest.mark.parametrize(("rates", "fps"), [((50, 50), 50), ((50, 25), None), (("x",), None)])
def test_annotations_tell_them_of_videos(tmp_path, rates, fps):
    refine.write(video(), tmp_path / "a.json", "coco-gt")
    document = json.loads((tmp_path / "a.json").read_text())
    document["videos"] = [{"id": i, "name": str(i), "fps": rate} for i, rate in enumerate(rates)]
    (tmp_path / "a.json").write_text(json.dumps(document))
    poses = refine.read(tmp_path / "a.json")
    assert poses.meta.get("fps") == fps
    refine.write(poses, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["videos"] == document["videos"]


@pytest.mark.parametrize("value", ["30", 0, -1, 1e9, [30], True])
def test_rates_that_are_none(tmp_path, value):
    refine.write(video(), tmp_path / "a.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()]
    text = "".join(json.dumps({**line, "fps": value}) + "\n" for line in lines)
    (tmp_path / "a.ndjson").write_text(text)
    if value == [30]:
        assert refine.read(tmp_path / "a.ndjson").meta["fps"] == 30
        return
    with pytest.raises(FormatError, match="frames per second above 0"):
        refine.read(tmp_path / "a.ndjson")


def test_one_file_has_one_rate(tmp_path):
    refine.write(video(), tmp_path / "a.ndjson")
    text = (tmp_path / "a.ndjson").read_text()
    (tmp_path / "a.ndjson").write_text(text.replace('"fps":25.0', '"fps":30.0', 1))
    with pytest.raises(FormatError, match="expected one fps in a file"):
        refine.read(tmp_path / "a.ndjson")


def test_what_was_given_once_is_known_from_then_on():
    bare = video().replace(meta={})
    with pytest.raises(ArrayError, match="which the file does not tell; try --fps 30"):
        rate_of(bare, None)
    calm = refine.run(bare, steps=["smooth"], fps=50)
    assert rate_of(calm, None) == 50
    assert rate_of(calm.replace(meta={"fps": 25}), None) == 25


def test_what_is_given_holds_against_the_file_and_that_is_said(cli, tmp_path):
    with pytest.warns(RefineWarning, match="30 frames per second as given, though .* 25"):
        assert rate_of(video(), 30) == 30
    ntsc = video().replace(meta={"fps": 30000 / 1001})
    assert rate_of(ntsc, 29.97) == 29.97
    refine.write(video(), tmp_path / "a.ndjson")
    done = cli("smooth", tmp_path / "a.ndjson", "-o", tmp_path / "b.ndjson", "--fps", 50)
    assert done.code == 0
    assert "50 frames per second as given, though the file tells 25" in done.err
    done = cli("smooth", tmp_path / "a.ndjson", "-o", tmp_path / "b.ndjson")
    assert "as given" not in done.err
    assert refine.read(tmp_path / "b.ndjson").meta["fps"] == 25
