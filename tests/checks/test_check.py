"""Every fault planted in a clean file is found, and nothing else is reported."""

import json

import numpy as np
import pytest
from PIL import Image

import refine
from refine.checks import check
from tests.checks.conftest import COCO, face, moved, sizes, with_xy


@pytest.mark.parametrize("gt", [True, False])
def test_nothing_is_found_in_a_clean_file(found, clean, gt):
    assert found(clean[1], gt=gt) == {}


def test_a_clean_file_is_that_of_its_truth(clean, tmp_path):
    path = tmp_path / "gt.json"
    refine.write(clean[0], path, "coco-gt")
    assert check(path, path) == []


def test_no_poses_are_no_fault(found):
    assert found([]) == {}


def test_images_that_the_truth_lacks(found, clean):
    rows = [{**row, "image_id": row["image_id"] + 900} for row in clean[1][:5]]
    got = found(clean[1] + rows)
    assert list(got) == ["unknown-images"]
    assert "5 poses" in got["unknown-images"].what


def test_images_are_found_by_name(found, clean):
    names = {ref.id: ref.file_name for ref in clean[0].images}
    got = found([{**row, "image_id": names[row["image_id"]]} for row in clean[1]])
    assert list(got) == ["images-by-name"]
    mapping = got["images-by-name"].figures["mapping"]
    assert mapping == {names[row["image_id"]]: row["image_id"] for row in clean[1]}


def test_an_image_under_two_ids(found, clean):
    names = {ref.id: ref.file_name for ref in clean[0].images}
    first = clean[1][0]["image_id"]
    rows = [row for row in clean[1] if row["image_id"] == first]
    again = [{**row, "image_id": names[first]} for row in rows[:1]]
    assert "images-twice" in found(clean[1] + again)


def test_joints_of_another_skeleton(found, clean):
    rows = moved(clean[1], lambda joints, row: joints[:14])
    got = found(rows, skeleton="crowdpose14")
    assert next(iter(got)) == "joints"
    assert "14 joints" in got["joints"].what
    assert list(found(moved(clean[1], lambda joints, row: joints[:15]))) == ["joints"]


def test_zeros_with_confidence(found, clean):
    rows = moved(clean[1], lambda j, row: np.where(np.arange(17)[:, None] == 9, [0, 0, 0.7], j))
    got = found(rows)
    assert list(got) == ["zero-with-confidence"]
    assert got["zero-with-confidence"].count == len(rows)


@pytest.mark.parametrize("empty", [None, float("nan")])
def test_empty_places_with_likelihood(found, clean, empty):
    rows = json.loads(json.dumps(clean[1]))
    rows[4]["keypoints"][:3] = [empty, empty, 1]
    got = found(rows)
    assert list(got) == ["nan-with-likelihood"]
    assert got["nan-with-likelihood"].rows == ("record 4",)


def test_score_range_and_kind(found, clean):
    got = found([{**row, "score": 100 * row["score"]} for row in clean[1]])
    assert list(got) == ["instance-score-range"]
    assert "per cent" in got["instance-score-range"].what
    rows = moved(clean[1], lambda j, row: np.c_[j[:, :2], np.where(j[:, 2], 9 * j[:, 2] - 5, 0)])
    got = found(rows)
    assert list(got) == ["joint-score-range"]
    assert "logits" in got["joint-score-range"].what


def test_equal_and_absent_scores(found, clean):
    assert list(found([{**row, "score": 1.0} for row in clean[1]])) == ["equal-scores"]
    rows = [{k: v for k, v in row.items() if k != "score"} for row in clean[1]]
    assert list(found(rows)) == ["equal-scores"]


def test_copies(found, clean):
    got = found(clean[1] + clean[1][:4])
    assert list(got) == ["duplicates"]
    assert got["duplicates"].count == 4


def test_swapped_axes(found, clean):
    rows = moved(clean[1], with_xy(lambda xy: xy[:, ::-1]))
    assert "axes-swapped" in found(rows)
    assert list(found(rows, gt=False)) == ["axes-swapped"]


def test_shares_of_the_image(found, clean):
    size = sizes(clean[0])
    rows = moved(clean[1], lambda j, row: np.c_[j[:, :2] / size[row["image_id"]], j[:, 2]])
    assert list(found(rows)) == list(found(rows, gt=False)) == ["normalised"]


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_resized_picture(found, clean, factor):
    got = found(moved(clean[1], with_xy(lambda xy: xy * factor)))
    figures = got["resized"].figures
    assert figures["factor_x"] == pytest.approx(1 / factor, rel=0.02)
    assert set(got) <= {"resized", "outside"}


def test_mirrored_labels(found, clean):
    rows = moved(clean[1], lambda j, row: j[COCO.mirror])
    assert list(found(rows)) == ["mirrored-labels"]


def test_mirrored_labels_without_truth(found, clean):
    rows = moved(clean[1], with_xy(face))
    assert found(rows, gt=False) == {}
    rows = moved(rows, lambda j, row: j[COCO.mirror])
    assert list(found(rows, gt=False)) == ["mirrored-labels"]


def test_a_mirrored_picture(found, clean):
    size = sizes(clean[0])

    def flip(joints, row):
        joints[:, 0] = size[row["image_id"]][0] - 1 - joints[:, 0]
        return joints

    assert list(found(moved(clean[1], flip))) == ["mirrored-picture"]


def test_flip_table_not_applied(found, clean):
    rows = moved(clean[1], lambda j, row: (j + j[COCO.mirror]) / 2)
    assert "flip-table" in found(rows, gt=False)


@pytest.mark.parametrize("by", [0.5, -1.0])
def test_shifts_are_estimated(found, clean, by):
    got = found(moved(clean[1], with_xy(lambda xy: xy + by)))
    assert list(got) == ["shift"]
    assert got["shift"].figures["x_px"] == pytest.approx(by, abs=0.25)


def test_missing_areas(found, clean, tmp_path):
    refine.write(clean[0], tmp_path / "bare.json", "coco-gt")
    document = json.loads((tmp_path / "bare.json").read_text())
    for row in document["annotations"]:
        del row["area"]
    (tmp_path / "bare.json").write_text(json.dumps(document))
    (tmp_path / "pred.json").write_text(json.dumps(clean[1]))
    got = check(tmp_path / "pred.json", tmp_path / "bare.json")
    assert [f.name for f in got] == ["areas"]


def test_boxes_of_some_rows(found, clean):
    got = found([{**clean[1][0], "bbox": [1, 1, 50, 90]}, *clean[1][1:]])
    assert list(got) == ["boxes"]
    assert got["boxes"].count == len(clean[1]) - 1


def test_more_poses_than_count(found, clean):
    rng = np.random.default_rng(0)
    row = clean[1][0]
    far = [moved([row], with_xy(lambda xy: xy + rng.uniform(-60, 60, 2)))[0] for _ in range(25)]
    assert "more-than-20" in found(clean[1] + far)


def test_categories_of_others(found, clean):
    got = found([{**clean[1][0], "category_id": 0}, *clean[1][1:]])
    assert list(got) == ["categories"]
    assert got["categories"].count == 1


def test_tracks_that_jump(found, clean):
    first = clean[1][0]
    rows = [
        {
            **moved([first], with_xy(lambda xy, i=i: xy + 8 * i))[0],
            "image_id": i,
            "track_id": 4,
            "score": i / 9,
        }
        for i in range(1, 9)
    ]
    assert found(rows, gt=False) == {}
    rows[5] = {**moved(rows[5:6], with_xy(lambda xy: xy + 2000))[0]}
    got = found(rows, gt=False)
    assert list(got) == ["track-jumps"]
    assert got["track-jumps"].figures["tracks"] == [4]
    assert got["track-jumps"].count == 2


def test_the_frame_of_exif(found, clean, tmp_path):
    """A picture stored on its side: poses in its own frame, the truth upright."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    ref = clean[0].images[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (640, 320)).save(folder / ref.file_name, exif=exif)
    row = next(row for row in clean[1] if row["image_id"] == ref.id)
    spread = np.c_[np.linspace(20, 600, 17), np.linspace(20, 300, 17), np.full(17, 0.9)]
    rows = [{**row, "keypoints": spread.ravel().tolist()}]
    assert list(found(rows, gt=False, pictures=folder)) == ["exif-frame"]


def test_an_unreadable_file_ends_with_the_readers_error(tmp_path):
    (tmp_path / "bad.json").write_text("[{")
    with pytest.raises(refine.RefineError, match="JSON"):
        check(tmp_path / "bad.json")
