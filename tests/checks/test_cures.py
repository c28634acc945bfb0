"""Plant a fault, check, run the commands that the finding names, and check again: it is gone."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import refine
from refine.checks import check
from tests.checks.conftest import COCO, face, moved, sizes, with_xy


def times(factor, by=0.0):
    return lambda rows, truth: moved(rows, with_xy(lambda xy: xy * factor + by))


def shares(rows, truth):
    size = sizes(truth)
    return moved(rows, lambda j, row: np.c_[j[:, :2] / size[row["image_id"]], j[:, 2]])


def framed(frame, pad):
    """Pictures that are fitted into a frame of so many px, in its middle if `pad`."""

    def plant(rows, truth):
        size = sizes(truth)

        def put(joints, row):
            own = np.array(size[row["image_id"]])
            scale = min(frame / own)
            at = (frame - own * scale) / 2 if pad else 0
            return np.c_[joints[:, :2] * scale + at, joints[:, 2]]

        return moved(rows, put)

    return plant


def turned(rows, truth):
    """As the picture is stored whose EXIF turns it to the right."""
    size = sizes(truth)

    def turn(joints, row):
        return np.c_[joints[:, 1], size[row["image_id"]][0] - 1 - joints[:, 0], joints[:, 2]]

    return moved(rows, turn)


def flipped(rows, truth):
    size = sizes(truth)

    def flip(joints, row):
        joints[:, 0] = size[row["image_id"]][0] - 1 - joints[:, 0]
        return joints

    return moved(rows, flip)


def named(rows, truth):
    names = {ref.id: ref.file_name for ref in truth.images}
    return [{**row, "image_id": names[row["image_id"]]} for row in rows]


def numbered(rows, truth):
    """Ids that are the digits of names; `digits` gives the truth such names."""
    return [{**row, "image_id": 9000 + row["image_id"]} for row in rows]


def twice(rows, truth):
    first = [row for row in rows if row["image_id"] == rows[0]["image_id"]]
    return rows + named(first[:1], truth)


def nulls(rows, truth):
    rows = json.loads(json.dumps(rows))
    rows[4]["keypoints"][:3] = [None, None, 1]
    return rows


def crowded(rows, truth):
    rng = np.random.default_rng(0)
    far = [moved(rows[:1], with_xy(lambda xy: xy + rng.uniform(-60, 60, 2)))[0] for _ in range(25)]
    return rows + [{**row, "score": 0.1 + i / 100} for i, row in enumerate(far)]


PLANTS = {
    "axes-swapped": lambda rows, truth: moved(rows, with_xy(lambda xy: xy[:, ::-1])),
    "mirrored-labels": lambda rows, truth: moved(rows, lambda j, row: j[COCO.mirror]),
    "mirrored-picture": flipped,
    "exif-frame": turned,
    "resized": times(0.5),
    "resized 2": times(np.array([0.5, 0.75])),
    "resized 3": framed(np.array([320, 320]), False),
    "letterbox": framed(np.array([640, 640]), True),
    "letterbox 2": times(0.8, np.array([90.0, 40.0])),
    "shift": times(1.0, 0.5),
    "normalised": shares,
    "images-by-name": named,
    "images-by-digits": numbered,
    "images-twice": twice,
    "unknown-images": lambda rows, truth: [*rows, {**rows[0], "image_id": 777}],
    "categories": lambda rows, truth: [{**rows[0], "category_id": 7}, *rows[1:]],
    "more-than-20": crowded,
    "duplicates": lambda rows, truth: rows + rows[:4],
    "equal-scores": lambda rows, truth: [{**row, "score": 1.0} for row in rows],
    "instance-score-range": lambda rows, truth: [{**r, "score": 100 * r["score"]} for r in rows],
    "joint-score-range": lambda rows, truth: moved(
        rows, lambda j, row: np.c_[j[:, :2], np.where(j[:, 2], 9 * j[:, 2] - 5, 0)]
    ),
    "zero-with-confidence": lambda rows, truth: moved(
        rows, lambda j, row: np.where(np.arange(17)[:, None] == 9, [0, 0, 0.7], j)
    ),
    "nan-with-likelihood": nulls,
    "boxes": lambda rows, truth: [{**rows[0], "bbox": [1, 1, 50, 90]}, *rows[1:]],
}
ALONE = {
    "axes-swapped": PLANTS["axes-swapped"],
    "mirrored-labels": lambda rows, truth: moved(
        moved(rows, with_xy(face)), lambda j, row: j[COCO.mirror]
    ),
}
"""Faults that show without annotations."""


@pytest.fixture
def mend(cli, tmp_path):
    """Run the commands of a finding, each as a person would, and return what they wrote."""

    def go(finding):
        assert finding.commands
        for command in finding.commands:
            verb, *arguments = shlex.split(command)[1:]
            names = {name: tmp_path / name for name in ("OUT.json", "C.json")}
            done = cli(verb, *(names.get(a, a) for a in arguments))
            assert done.code == 0, done.err
        return tmp_path / "OUT.json"

    return go


def store(path, rows):
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("name", PLANTS)
def test_what_a_finding_names_mends_it(clean, tmp_path, mend, name):
    truth, rows = clean
    gt = tmp_path / "the gt.json"
    if name == "images-by-digits":
        names = [replace(ref, file_name=f"{9000 + ref.id:012}.jpg") for ref in truth.images]
        truth = truth.replace(images=tuple(names))
    refine.write(truth, gt, "coco-gt")
    pred = store(tmp_path / "pred.json", PLANTS[name](rows, truth))
    found = {f.name: f for f in check(pred, gt)}
    out = mend(found[name.split()[0]])
    assert check(out, gt) == []
    if name in ("resized 3", "letterbox", "images-by-name", "images-by-digits"):
        assert refine.evaluate(gt, out).metrics["AP"] > 0.8
    mine = refine.read(out)
    assert {"keypoints", "image_id"} <= json.loads(out.read_text())[0].keys()
    assert mine.skeleton == COCO


@pytest.mark.parametrize("name", ALONE)
def test_what_shows_without_annotations_is_mended(clean, tmp_path, mend, name):
    truth, rows = clean
    pred = store(tmp_path / "pred.json", ALONE[name](rows, truth))
    found = {f.name: f for f in check(pred)}
    assert check(mend(found[name])) == []


def test_joints_of_another_skeleton_are_mapped(clean, tmp_path, mend):
    truth, rows = clean
    refine.write(truth, tmp_path / "gt.json", "coco-gt")
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    refine.write(refine.read(tmp_path / "pred.json").to("halpe26"), tmp_path / "halpe.json", "coco")
    (found,) = check(tmp_path / "halpe.json", tmp_path / "gt.json", skeleton="halpe26")
    assert found.name == "joints"
    assert "--skeleton halpe26 --to-skeleton coco17" in found.commands[0]
    assert check(mend(found), tmp_path / "gt.json") == []


def test_pictures_that_exif_turns(clean, tmp_path, mend):
    folder = tmp_path / "two pictures"
    folder.mkdir()
    ref, other = clean[0].images[:2]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (640, 320)).save(folder / ref.file_name, exif=exif)
    Image.new("RGB", (640, 320)).save(folder / other.file_name)
    spread = np.c_[np.linspace(20, 600, 17), np.linspace(20, 300, 17), np.full(17, 0.9)]
    row = {"category_id": 1, "keypoints": spread.ravel().tolist()}
    rows = [{**row, "image_id": r.id, "score": 0.5 + i / 9} for i, r in enumerate((ref, other))]
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    (found,) = check(tmp_path / "pred.json", pictures=folder)
    out = mend(found)
    assert check(out, pictures=folder) == []
    done = refine.read(out)
    np.testing.assert_allclose(done.xy[0, 0], [319 - 20, 20])
    np.testing.assert_allclose(done.xy[1], spread[:, :2])


@pytest.mark.parametrize("held", ["pred.ndjson", "pred.csv", "pred/"])
def test_places_that_are_null_however_they_are_held(clean, tmp_path, cli, held):
    _, rows = clean
    (tmp_path / "pred.json").write_text(json.dumps(nulls(rows, None)[:6]))
    poses = refine.read(tmp_path / "pred.json")
    score = poses.score.copy()
    score[4, 0] = 1
    poses = poses.replace(score=score)
    target = tmp_path / held
    refine.write(
        poses,
        str(target) + ("/" if held.endswith("/") else ""),
        None if held != "pred/" else "ndjson",
    )
    (found,) = check(target)
    assert found.name == "nan-with-likelihood"
    assert len(found.rows) == 1
    out = str(tmp_path / ("out" + held.removeprefix("pred")))
    done = cli("convert", target, "--mend", "missing-scores", "-o", out)
    assert done.code == 0, done.err
    assert check(out) == []
