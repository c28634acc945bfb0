"""The table in CSV: a row per joint."""

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, sniff, write

LINES = """image_id,pose,joint,x,y,score
a.jpg,0,nose,10.5,20,0.9
a.jpg,0,left_eye,,,0
b.jpg,,,,,
a.jpg,1,nose,0,0,0.4
007,0,nose,3,nan,1
"""


@pytest.fixture
def table(file):
    def make(text, name="pred.csv"):
        return file(text.encode(), name)

    return make


def test_a_small_table(table):
    source = table(LINES)
    poses = read(source)
    assert sniff(source) == "csv"
    assert poses.skeleton.joints == ("nose", "left_eye")
    assert [ref.id for ref in poses.images] == ["a.jpg", "b.jpg", "007"]
    assert poses.image.tolist() == [0, 0, 2]
    assert poses.xy[0, 0].tolist() == [10.5, 20]
    # No place; (0, 0) with a score; half a place.
    assert np.isnan(poses.xy[[0, 1, 2], [1, 0, 0]]).all()
    assert poses.score[2, 0] == 0


def test_what_a_table_holds_comes_back(tmp_path):
    images = [refine.ImageRef(i, f"{i},\n.jpg", 640, 480, frame=i) for i in (7, 8)]
    xy = np.random.default_rng(0).uniform(0, 640, (2, 17, 2))
    xy[0, 3] = np.nan
    score = np.random.default_rng(1).uniform(0, 6, (2, 17))
    score[0, 3] = 0
    before = refine.Poses.from_arrays(
        "coco17", xy, score, instance_score=[0.5, np.nan], image=[0, 0], images=images,
        box=[[1, 2, 3.5, 4], [np.nan] * 4],
    ).replace(track=np.array([-1, 3]), extra=({"category_id": 2},) * 2)  # fmt: skip
    before = before.done("suppress", threshold=0.9).done("rescore", of="a b")
    write(before, tmp_path / "a.csv.gz")
    after = read(tmp_path / "a.csv.gz")
    for field in ("xy", "score", "instance_score", "image", "box", "track"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field), field)
    assert (after.images, after.history, after.extra) == (
        before.images,
        before.history,
        before.extra,
    )
    assert after.skeleton == before.skeleton


def test_names_tell_the_format_and_pipes_are_looked_at(cli, file, row, tmp_path):
    source = file([row()])
    assert cli("convert", source, "-o", tmp_path / "a.csv").code == 0
    assert read(tmp_path / "a.csv").meta["format"] == "csv"
    assert cli("run", tmp_path / "a.csv", "-o", tmp_path / "b.csv", "--no-refine").code == 0
    with (tmp_path / "b.csv").open("rb") as stream:
        np.testing.assert_array_equal(read(stream).xy, read(source).xy)
    result = cli("convert", source, "-o", tmp_path / "c.csv", "--to", "coco")
    assert (result.code, "expected a name that ends in one of .json" in result.err) == (3, True)
    assert cli("convert", source, "-o", "-", "--to", "csv").out.startswith("image_id,file_name")


def test_without_numbers_of_poses_there_is_one_per_track(table):
    text = "image_id,track_id,joint,x,y\n1,4,nose,1,2\n1,5,nose,3,4\n2,4,nose,5,6\n"
    poses = read(table(text))
    assert (poses.track.tolist(), poses.image.tolist()) == ([4, 5, 4], [0, 0, 1])
    assert poses.score_kind == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,joint,x\n1,nose,2\n", "expected the keys of a known format"),
        ("image_id,joint,x,y,x\n1,nose,2,3,4\n", "expected one column 'x', got two"),
        ("image_id,joint,x,y\n1,nose,2\n", "row 2: expected 4 cells"),
        ("image_id,joint,x,y\n1,nose,2,3\n1,nose,4,5\n", "row 3: .*got 'nose' twice; try a col"),
        ("image_id,joint,x,y\n1,nose,two,3\n", "row 2: expected a finite number in 'x', got 'two'"),
        ("image_id,joint,x,y\n1,nose,inf,3\n", "expected a finite number in 'x', got 'inf'"),
        ("image_id,width,joint,x,y\n1,5,nose,2,3\n1,6,nose,2,3\n", "expected one name, size and"),
        ('image_id,joint,x,y\n1,"nose,2,3\n', "expected CSV, got"),
        ("image_id,track_id,joint,x,y\n1,1.5,nose,2,3\n", "whole number 'track_id'"),
    ],
)
def test_what_is_refused(table, text, message):
    with pytest.raises(FormatError, match=message):
        read(table(text))


def test_joints_of_another_skeleton_are_refused(table):
    with pytest.raises(FormatError, match="each joint of 'coco17' once in a pose, got 'tail'"):
        read(table("image_id,joint,x,y\n1,tail,2,3\n"), skeleton="coco17")
