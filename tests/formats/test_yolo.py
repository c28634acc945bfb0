"""YOLO-pose labels: what training and save_txt write, and what bites."""

import numpy as np
import pytest

from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def line():
    """A line: class, box, 17 joints of so many values, and more."""

    def make(width=3, *more, seed=0, k=17):
        rng = np.random.default_rng(seed)
        joints = rng.uniform(0.1, 0.9, (k, width)).round(6)
        if width == 3:
            joints[:, 2] = 2
            joints[3] = 0
        texts = [f"{value:.6g}" for value in (0.5, 0.5, 0.25, 0.75, *joints.ravel())]
        return " ".join(["0", *texts, *more])

    return make


@pytest.fixture
def sizes(file):
    images = [{"id": name, "width": 640, "height": 480} for name in ("a", "b", "pred")]
    return file({"images": images}, "sizes.json")


def labels(file, **texts):
    for name, text in texts.items():
        folder = file(text.encode(), f"labels/{name}.txt").parent
    return folder


def test_a_folder_of_labels(file, line, sizes, tmp_path):
    folder = labels(file, a=f"{line()}\n{line(seed=1)}\n", b="")
    assert sniff(folder) == "yolo"
    poses = read(folder, images=sizes)
    assert [ref.id for ref in poses.images] == ["a", "b"]
    assert (poses.image.tolist(), poses.score_kind) == ([0, 0], "flag")
    assert not poses.present[:, 3].any()
    assert poses.box[0].tolist() == [240, 60, 400, 420]
    assert poses.extra[0] == {"category_id": 1}
    write(poses, tmp_path / "out")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["a.txt", "b.txt"]
    after = read(tmp_path / "out", images=sizes)
    np.testing.assert_allclose(after.xy, poses.xy, atol=1e-9)
    np.testing.assert_array_equal(after.score, poses.score)
    assert (tmp_path / "out" / "b.txt").read_bytes() == b""
    assert (tmp_path / "out" / "a.txt").read_text().split("\n")[0] == line()


def test_shares_need_sizes(file, line):
    with pytest.raises(FormatError, match="no size of image 'a'; try --sizes"):
        read(labels(file, a=line()))


@pytest.mark.parametrize(
    ("more", "score", "track"),
    [
        ([], None, None),
        (["0.75"], 0.75, None),
        (["7"], None, 7),
        (["0.75", "7"], 0.75, 7),
        (["1", "7"], 1, 7),
        (["1e+300", "7"], 1e300, 7),
    ],
)
def test_the_score_comes_behind_the_joints(file, line, sizes, tmp_path, more, score, track):
    poses = read(labels(file, a=line(3, *more)), images=sizes)
    assert poses.instance_score.tolist() == pytest.approx([score or np.nan], nan_ok=True)
    assert (poses.track is None) == (track is None)
    assert track is None or poses.track.tolist() == [track]
    write(poses, tmp_path / "out")
    after = read(tmp_path / "out", images=sizes)
    np.testing.assert_array_equal(after.instance_score, poses.instance_score)
    np.testing.assert_array_equal(after.track, poses.track)


def test_joints_without_a_third_value(file, line, sizes, tmp_path):
    poses = read(labels(file, a=line(2)), images=sizes)
    assert (poses.score_kind, poses.xy.shape) == ("none", (1, 17, 2))
    write(poses, tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == line(2) + "\n"


def test_other_numbers_of_joints_are_asked_for(file, line, sizes):
    folder = labels(file, a=line(3, k=33))
    with pytest.raises(SkeletonError, match="got 104, which fits mediapipe33 with 3 values"):
        read(folder, images=sizes)
    assert read(folder, images=sizes, skeleton="mediapipe33").xy.shape == (1, 33, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person\ndog\n", "expected class, box and joints as numbers, got 'person'"),
        ("0.5 0.5 0.5 0.5 0.5" + " 0.5" * 51, "expected a class, a whole number, got 0.5"),
        ("0 0.5 inf 0.5 0.5" + " 0.5" * 51, "expected class, box and joints as numbers"),
        ("0 0.5 1e300 0.5 0.5" + " 0.5" * 51, "expected class, box and joints as numbers"),
        ("0 0.5 0.5 0.5 0.5 0.5 0.5 nan" + " 0.5" * 48, "expected class, box and joints as"),
        ("0 0.5 0.5 0.5 0.5 1e300" + " 0.5" * 50, "coordinate"),
    ],
)
def test_what_is_refused(file, line, text, message):
    with pytest.raises(FormatError, match=message):
        read(labels(file, a=line(), b=text))


def test_poses_without_boxes_get_those_of_their_joints(cli, file, row, tmp_path):
    sizes = file({"images": [{"id": 1, "width": 640, "height": 480}]}, "sizes.json")
    source = file([row(), row(bbox=[1, 2, 3, 4])])
    done = cli("convert", source, "-o", tmp_path / "out/", "--to", "yolo", "--sizes", sizes)
    assert (done.code, "box of 1 poses without one" in done.err) == (0, True)
    poses, before = read(tmp_path / "out", images=sizes), read(source)
    np.testing.assert_allclose(poses.xy, before.xy, atol=1e-9)
    assert poses.box[1].tolist() == [1, 2, 4, 6]
    assert poses.box[0].tolist() == [*before.xy[0].min(0), *before.xy[0].max(0)]
    done = cli("convert", source, "-o", tmp_path / "more/", "--to", "yolo")
    assert (done.code, "expected the size of image 1" in done.err) == (3, True)
