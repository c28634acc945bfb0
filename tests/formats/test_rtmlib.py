"""rtmlib's arrays: what people save of them, and what bites."""

import io
import json

import numpy as np
import pytest

from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def arrays():
    """Keypoints and scores of so many poses, as rtmlib returns them."""

    def make(n=2, k=17, seed=0):
        rng = np.random.default_rng(seed)
        scores = rng.uniform(0.5, 6, (n, k)).astype(np.float32)
        return {"keypoints": rng.uniform(9, 400, (n, k, 2)), "scores": scores}

    return make


@pytest.fixture
def saved(tmp_path):
    def make(name="a.npz", **fields):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **fields)
        return path

    return make


def test_poses_of_an_image(saved, arrays, tmp_path):
    source, of = saved(**arrays()), arrays()
    assert sniff(source) == "rtmlib"
    poses = read(source)
    np.testing.assert_array_equal(poses.xy, of["keypoints"])
    np.testing.assert_array_equal(poses.score, of["scores"])
    assert ([ref.id for ref in poses.images], poses.score.max() > 1) == (["a"], True)
    write(poses, tmp_path / "out.npz")
    back = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(back["keypoints"], of["keypoints"])
    assert back["image_ids"].tolist() == ["a"]


def test_frames_a_single_array_and_lists(saved, arrays, file, tmp_path):
    frames = [arrays(seed=i) for i in range(3)]
    poses = read(saved(**{name: np.stack([f[name] for f in frames]) for name in frames[0]}))
    assert (poses.image.tolist(), poses.images[2].frame) == ([0, 0, 1, 1, 2, 2], 2)
    of = arrays()
    np.save(tmp_path / "b.npy", np.concatenate([of["keypoints"], of["scores"][..., None]], -1))
    np.testing.assert_array_equal(read(tmp_path / "b.npy").score, of["scores"])
    np.save(tmp_path / "c.npy", of["keypoints"])
    assert read(tmp_path / "c.npy").score_kind == "none"
    document = {name: value.tolist() for name, value in of.items()}
    poses = read(file(document))
    np.testing.assert_array_equal(poses.xy, of["keypoints"])
    np.testing.assert_array_equal(read(of).xy, of["keypoints"])
    write(poses, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["keypoints"] == document["keypoints"]
    np.savez(tmp_path / "d.npz", of["keypoints"], of["scores"])
    np.testing.assert_array_equal(read(tmp_path / "d.npz").score, of["scores"])


def test_scores_of_nothing_are_missing_joints_wherever_they_are(saved, arrays):
    """SimCC's joints at (-1, -1) are scaled like others, and land at a place that looks real."""
    of = arrays()
    of["scores"][0, 3], of["scores"][1, 4] = 0, -0.5
    poses = read(saved(**of))
    assert (~poses.present).nonzero()[0].tolist() == [0, 1]
    assert "2 joints without a score above 0: missing" in poses.meta["notes"]


def test_rtmo_tells_of_nobody_by_a_person_of_zeros(saved):
    poses = read(saved(keypoints=np.zeros((1, 17, 2)), scores=np.zeros((1, 17))))
    assert (len(poses), len(poses.images)) == (0, 1)
    assert "1 persons of zeros" in poses.meta["notes"][0]


def test_numbers_of_joints_that_fit_several_skeletons_are_asked_about(saved, arrays):
    source = saved(**arrays(k=14))
    with pytest.raises(SkeletonError, match=r"several: aic14, crowdpose14.*--skeleton"):
        read(source)
    assert read(source, skeleton="crowdpose14").xy.shape == (2, 14, 2)
    assert read(saved(**arrays(k=133))).skeleton.name == "wholebody133"


def test_all_that_it_holds_comes_back(cli, file, row, saved, arrays, tmp_path):
    rows = [row(bbox=[1, 2, 3, 4], track_id=4), row(image_id=2, score=0.25)]
    source, out = file(rows), tmp_path / "out.npz"
    done = cli("convert", source, "--to", "rtmlib", "-o", out)
    assert done.code == 0
    before, after = read(source), read(out)
    for field in ("xy", "score", "instance_score", "box", "track", "image"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
    assert [ref.id for ref in after.images] == [1, 2]
    assert cli("convert", source, "--to", "rtmlib", "-o", f"{tmp_path}/many/").code == 0
    assert sorted(f.name for f in (tmp_path / "many").iterdir()) == ["1.npz", "2.npz"]
    assert [ref.id for ref in read(tmp_path / "many").images] == [1, 2]
    bare = before.replace(xy=np.full((2, 17, 2), np.nan), score=np.full((2, 17), -1.0))
    write(bare, tmp_path / "bare.npz", "rtmlib")
    assert len(read(tmp_path / "bare.npz")) == 2
    logits = before.replace(score=np.full((2, 17), -1.0), score_kind="logit")
    write(logits, tmp_path / "logits.npz", "rtmlib")
    assert read(tmp_path / "logits.npz").present.all()
    with pytest.raises(FormatError, match="open for bytes for rtmlib"):
        write(before, io.StringIO(), "rtmlib")
    poses = read(saved(**arrays(), mine=np.zeros(3)))
    assert poses.meta["notes"] == ("arrays that are not read: mine",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scores": np.ones((2, 16))}, r"expected scores \(2, 17\) for keypoints \(2, 17, 2\)"),
        ({"keypoints": np.ones((2, 17, 4))}, r"keypoints \(N, K, 2\) px, or .* got \(2, 17, 4\)"),
        ({"keypoints": np.array(["a"])}, "an array of finite numbers 'keypoints'"),
        ({"keypoints": np.full((2, 17, 2), np.inf)}, "an array of finite numbers 'keypoints'"),
        ({"keypoints": np.full((2, 17, 2), 1e9)}, "expected coordinates in px"),
        ({"boxes": np.ones((2, 3))}, r"expected 'boxes' of 2 poses, got \(2, 3\)"),
        ({"boxes": np.ones(2)}, r"expected 'boxes' of 2 poses, got \(2,\)"),
        ({"image": np.array([0, 1])}, "expected 'image' to number the 1 images"),
        ({"scores": np.array([[None, {}]])}, r"plain arrays, got: .*try np.savez\(path, keypoints"),
    ],
)
def test_what_is_refused(saved, arrays, fields, message):
    with pytest.raises(FormatError, match=message):
        read(saved(**arrays() | fields))


def test_raw_outputs_are_no_poses(saved):
    with pytest.raises(FormatError, match=r"got 'heatmaps'; try `refine decode`, if these are the"):
        read(saved(heatmaps=np.zeros((1, 17, 64, 48))))


def test_damaged_archives(file, saved, arrays):
    data = saved(**arrays()).read_bytes()
    cut, torn = data[:-30], data[:200] + b"\xff" * 50 + data[250:]
    for bad in (cut, torn, b"PK\x03\x04", b"\x93NUMPY\x01"):
        with pytest.raises(FormatError, match=r"an \.npz archive of plain arrays"):
            read(file(bad, "bad.npz"))
