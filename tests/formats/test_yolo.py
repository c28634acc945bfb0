"""YOLO-pose labels: what training and save_txt write, and what bites."""

import numpy as np
import pytest
from PIL import Image

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


@pytest.fixture
def data_set(file, line, tmp_path):
    """A data set as Ultralytics has it: labels/train beside images/train, and data.yaml."""

    def make(text, k=17, width=3, size=(320, 200), exif=None):
        file(line(width, k=k).encode(), "a.txt")
        labels, images = (tmp_path / "set" / kind / "train" for kind in ("labels", "images"))
        for folder in (labels, images):
            folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a.txt").replace(labels / "a.txt")
        Image.new("RGB", size).save(images / "a.png", exif=exif)
        (tmp_path / "set" / "data.yaml").write_text(text)
        return labels

    return make


COCO = """# a comment: kpt_shape: [1, 2]
path: ../set  # where
kpt_shape: [17, 3] # joints
flip_idx: [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
names:
  0: person
  1: dog
"""


def test_pictures_beside_the_labels_tell_names_and_sizes(data_set, cli, tmp_path):
    labels = data_set(COCO)
    poses = read(labels)
    (ref,) = poses.images
    assert (ref.id, ref.file_name, ref.width, ref.height) == ("a", "a.png", 320, 200)
    assert poses.box[0].tolist() == [120, 25, 200, 175]
    assert cli("convert", labels, "--to", "coco", "-o", tmp_path / "a.json").code == 0
    turned = Image.Exif()
    turned[0x0112] = 6
    (ref,) = read(data_set(COCO, exif=turned)).images
    assert (ref.width, ref.height) == (200, 320)


def test_data_yaml_tells_the_joints(data_set):
    assert read(data_set(COCO)).skeleton.name == "coco17"
    crowd = "[1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13]"
    block = "kpt_shape:\n  - 14\n  - 2\nflip_idx:\n- " + crowd[1:-1].replace(", ", "\n- ")
    for text in (f"kpt_shape: [14, 2]\nflip_idx: {crowd}\nnames: [person]\n", block):
        assert read(data_set(text, k=14, width=2)).skeleton.name == "crowdpose14"
    three = "kpt_shape: [5, 3]\nkpt_names: {0: [nose, left_eye, tail, paw, hoof]}\n"
    assert read(data_set(three, k=5)).skeleton.joints == ("nose", "left_eye", "tail", "paw", "hoof")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (COCO.replace("[17, 3]", "[17, 2]"), r"expected 39 values, .*kpt_shape` \[17, 2\] of data"),
        ("kpt_shape: [17, 3]\nnames: {3: cat}", "one of the 1 classes that data.yaml names, got 0"),
        ("kpt_shape: [17, 3]\nflip_idx: [16, 1]", "`flip_idx` .*got none; try --skeleton"),
        ("kpt_shape: [5, 3]\n", "expected a skeleton for 5 joints, got none that ships"),
    ],
)
def test_labels_that_are_not_what_data_yaml_says(data_set, text, message):
    with pytest.raises((FormatError, SkeletonError), match=message):
        read(data_set(text))


def test_other_yaml_is_left_alone(data_set):
    assert len(read(data_set("train: images/train\n"))) == 1
