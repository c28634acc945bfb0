"""Reports on all kinds of files: without truth, one, three, other skeletons, and rubbish."""

import json

import numpy as np
import pytest
from PIL import Image

import refine
from refine.evaluation.pairing import pair_poses
from refine.poses import ImageRef, Poses
from refine.report.cases import choose_cases
from refine.report.rows import rows_of_poses

FIVE = ["hub", "left_arm", "right_arm", "left_leg", "right_leg"]


def titles(page):
    return [attrs["id"] for attrs in page.all("section")]


def test_without_truth_it_tells_what_changed(write, desk):
    page = write(desk / "before.json", desk / "after.json", "--cases", "5")
    assert titles(page) == ["changes", "scores", "cases", "persons", "check", "made"]
    before, after = (refine.read(desk / f"{name}.json") for name in ("before", "after"))
    (row,) = [row for row in page.rows if row[0] == "After" and len(row) == 8]
    was = pair_poses(before, after)
    kept = was >= 0
    filled = (after.present[kept] & ~before.present[was[kept]]).sum()
    assert row[1:5] == [
        str(kept.sum()), str(len(before) - kept.sum()), str((~kept).sum()), str(filled)
    ]  # fmt: skip
    assert "--gt" in page.text


def test_one_file(write, desk):
    page = write(desk / "before.json", "--gt", desk / "gt.json", "--cases", "4")
    assert "changes" not in titles(page)
    assert len(page.all("article")) == 4
    page = write(desk / "before.json")
    assert titles(page) == ["scores", "cases", "persons", "check", "made"]


def test_three_files(write, desk, tmp_path):
    half = tmp_path / "half.json"
    refine.write(refine.read(desk / "after.json")[::2], half)
    files = desk / "before.json", desk / "after.json", half
    page = write(*files, "--gt", desk / "gt.json", "--cases", "3")
    for label, file in zip("ABC", files, strict=True):
        assert f"{label}: {file.name}" in [row[0] for row in page.rows if row]
    assert len(page.all("img")) == 3 * 4


def write_gt(path, joints, persons, **category):
    annotations = [
        {
            "id": i + 1, "image_id": i, "category_id": 1, "area": 9e3, "iscrowd": 0,
            "bbox": [0, 0, 200, 200], "num_keypoints": len(joints),
            "keypoints": np.c_[xy, np.full(len(joints), 2)].ravel().tolist(),
        }
        for i, xy in enumerate(persons)
    ]  # fmt: skip
    images = [{"id": i, "width": 300, "height": 300, "file_name": f"{i}.jpg"} for i in range(9)]
    kind = {"id": 1, "name": "thing", "keypoints": joints, **category}
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [kind]})
    )
    return path


def write_results(path, persons):
    rows = [
        {
            "image_id": i, "category_id": 1, "score": 0.5,
            "keypoints": np.c_[xy, np.full(len(xy), 0.7)].ravel().tolist(),
        }
        for i, xy in enumerate(persons)
    ]  # fmt: skip
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def things(tmp_path):
    xy = np.random.default_rng(0).uniform(0, 200, (9, 5, 2)).round(1)
    return write_results(tmp_path / "p.json", xy + 2), write_gt(tmp_path / "g.json", FIVE, xy)


def test_another_skeleton(write, things):
    page = write(things[0], "--gt", things[1], "--sigmas", "0.1")
    assert titles(page)[0] == "figures"
    assert "hub" in page.text
    assert len(page.all("article")) == 9


def test_joints_of_any_name(write, tmp_path):
    names = ["$a_b$", "left_\u624b", "right_\u624b", "<i>", "\u0001 \u0000"]
    xy = np.random.default_rng(0).uniform(0, 200, (9, 5, 2)).round(1)
    files = write_results(tmp_path / "p.json", xy + 2), write_gt(tmp_path / "g.json", names, xy)
    page = write(files[0], "--gt", files[1], "--sigmas", "0.1", "--cases", "1")
    assert "$a b$" in page.text
    assert "\u624b" in page.text


def test_without_sigmas_it_says_what_is_left_out(write, things):
    page = write(things[0], "--gt", things[1])
    assert titles(page) == ["scores", "cases", "persons", "check", "made"]
    assert "no OKS" in page.text


def test_no_person_counts(write, desk, tmp_path):
    gt = json.loads((desk / "gt.json").read_text())
    for each in gt["annotations"]:
        each["iscrowd"] = 1
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    page = write(desk / "before.json", desk / "after.json", "--gt", tmp_path / "gt.json")
    assert "No person of the ground truth counts" in page.text
    assert "NaN" not in page.html


def test_nobody_is_predicted(write, desk, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    page = write(
        tmp_path / "none.json", tmp_path / "none.json", "--gt", desk / "gt.json",
        "--skeleton", "coco17", "--cases", "3",
    )  # fmt: skip
    assert "not found" in page.text
    assert ["Before: none.json", "0.0000"] in [row[:2] for row in page.rows]
    write(tmp_path / "none.json", "--skeleton", "coco17")


def test_places_far_away_and_missing_ones(write, tmp_path):
    xy = np.random.default_rng(0).uniform(0, 200, (9, 17, 2))
    far = xy.copy()
    far[0] += 9e5
    far[1, 3] = -9e5
    far[2] = 0
    files = write_results(tmp_path / "a.json", xy), write_results(tmp_path / "b.json", far)
    joints = list(refine.skeleton("coco17").joints)
    write(*files, "--gt", write_gt(tmp_path / "g.json", joints, xy))
    page = write(*files)
    groups = [attrs["aria-label"].partition(", ")[2] for attrs in page.all("article")]
    assert groups == ["Moved most", "Removed", "Removed", "New", "New"]


def test_pictures_that_are_missing_broken_or_of_others_are_named(cli, desk, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    files = sorted((desk / "images").iterdir())
    for file in files[:8]:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / files[0].name).write_bytes(b"no picture")
    (folder / files[1].name).write_bytes(files[1].read_bytes()[:-3000])
    Image.new("RGB", (30, 20)).save(folder / files[2].name)
    out = tmp_path / "page.html"
    what = desk / "before.json", desk / "after.json", "--gt", desk / "gt.json", "--cases", "60"
    result = cli("report", *what, "--images", folder, "-o", out, "--json")
    assert result.code == 4
    text = out.read_text("utf-8")
    for file in files[:3]:
        assert f"without the picture {file.name}: " in text
        assert f"without the picture {file.name}: " in result.err
    assert "8 of 16 images of the cases have no picture" in text
    assert json.loads(result.out)["pictures_left_out"] == 3
    (tmp_path / "others").mkdir()
    result = cli("report", *what, "--images", tmp_path / "others", "-o", out)
    assert result.code == 3
    assert "expected pictures of 16 images" in result.err


def test_no_cases_and_no_folder(cli, write, desk, tmp_path):
    page = write(desk / "before.json", "--gt", desk / "gt.json", "--cases", "0")
    assert "cases" not in titles(page)
    result = cli("report", desk / "before.json", "--images", tmp_path / "no", "-o", "-")
    assert (result.code, result.out) == (3, "")
    result = cli("report", desk / "before.json", "--gt", desk / "before.json", "-o", "-")
    assert (result.code, result.out) == (3, "")
    result = cli("report", *[desk / "before.json"] * 7, "-o", "-")
    assert (result.code, result.out) == (2, "")
    assert "at most 6 files" in result.err


def test_standard_streams_and_json(cli, desk):
    given = (desk / "before.json").read_bytes()
    result = cli("report", "-", "-o", "-", "--cases", "1", "--json", stdin=given)
    assert result.code == 0
    assert result.out.startswith("<!DOCTYPE html>")
    facts = json.loads(result.err.splitlines()[-1])
    assert (facts["cases"], facts["bytes"]) == (1, len(result.out.encode()))


def test_poses_are_paired_whatever_their_order(desk):
    before = refine.read(desk / "before.json")
    order = np.random.default_rng(0).permutation(len(before))
    moved = before.replace(xy=before.xy + 1.5)[order]
    refs = moved.images[::-1]
    moved = moved.replace(images=refs, image=len(refs) - 1 - moved.image)
    found = pair_poses(before, moved)
    there = before.present[order].any(1)
    assert found[there].tolist() == order[there].tolist()
    assert pair_poses(before[:0], moved[:3]).tolist() == [-1, -1, -1]
    other = moved.replace(images=tuple(ImageRef(f"other{i}") for i in range(len(refs))))
    assert set(pair_poses(before, other).tolist()) == {-1}


def test_groups_share_what_room_there_is():
    xy = np.random.default_rng(0).uniform(0, 90, (12, 17, 2))
    before = Poses.from_arrays("coco17", xy, image=np.arange(12))
    size = np.ptp(xy, 1).prod(1) ** 0.5
    after = before.replace(xy=xy + (np.arange(12) * size / 300)[:, None, None])
    gone = after[np.arange(12) != 4]
    rows = rows_of_poses([before, gone])
    chosen = choose_cases(rows, 5)
    assert chosen["Removed"] == [4]
    assert chosen["Moved most"] == [11, 10, 9, 8]
    assert sum(map(len, choose_cases(rows, 99).values())) == 11 + 1 - 1
    assert choose_cases(rows, 0) == {}
    assert choose_cases([], 5) == {}
