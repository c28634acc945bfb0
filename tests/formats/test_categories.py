"""Which annotations are poses, and reading those of one category."""

import json

import numpy as np
import pytest

from refine.categories import categories_of
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, write
from refine.skeletons import skeleton
from tests.oracles.records import ground_truth, row

XY = np.random.default_rng(0).uniform(0, 200, (2, 17, 2)).round()
DOG = {"id": 9, "image_id": 0, "category_id": 18, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}


def truth(tmp_path, **changes):
    gt = ground_truth(XY, 200)
    gt["annotations"].insert(1, DOG)
    gt["categories"].append({"id": 18, "name": "dog"})
    file = tmp_path / "gt.json"
    file.write_text(json.dumps(gt | changes))
    return file, gt


def test_boxes_of_others_are_no_poses(tmp_path, cli):
    file, gt = truth(tmp_path)
    assert len(read(file)) == 2
    out = tmp_path / "out.json"
    assert cli("convert", file, "-o", out).code == 0
    assert json.loads(out.read_text())["annotations"][1] == DOG
    cli("convert", file, "-o", out, "--to", "coco")
    assert len(json.loads(out.read_text())) == 2
    bare = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    for row_ in gt["annotations"]:
        row_.pop("keypoints", None)
    for categories, number in ((bare, 2), ([{"id": 18, "name": "dog"}, {"id": 3}], 0)):
        file, _ = truth(tmp_path, annotations=gt["annotations"], categories=categories)
        assert len(read(file)) == number


def test_one_of_two_skeletons(tmp_path, cli):
    names = [f"j{i}" for i in range(17)]
    person = {"id": 1, "name": "person", "keypoints": list(skeleton("coco17").joints)}
    categories = [person, {"id": 18, "name": "dog", "keypoints": names}]
    file, gt = truth(tmp_path, categories=categories)
    with pytest.raises(SkeletonError, match="--category"):
        read(file)
    assert len(read(file, category="person")) == 2
    assert read(file, category=18).skeleton.joints == tuple(names)
    out = tmp_path / "out.json"
    assert cli("convert", file, "-o", out, "--category", "person").code == 0
    written = json.loads(out.read_text())
    assert written["categories"] == categories
    assert len(written["annotations"]) == len(gt["annotations"])


@pytest.mark.parametrize("none", [None, float("nan")])
def test_a_category_that_is_no_number_is_none(tmp_path, none):
    file, gt = truth(tmp_path)
    for row_, category in zip(gt["annotations"], (None, 18, 1), strict=True):
        row_["category_id"] = none if category is None else category
    gt["categories"][0]["id"] = None
    gt["categories"].pop()
    file.write_text(json.dumps(gt))
    poses = read(file)
    assert len(poses) == 1
    write(poses, tmp_path / "out.json")
    assert len(read(tmp_path / "out.json")) == 1


@pytest.mark.parametrize("first", [None, float("nan"), 1, 2, "dog"])
def test_results_become_annotations_of_their_categories(tmp_path, first):
    file, out = tmp_path / "pred.json", tmp_path / "gt.json"
    file.write_text(json.dumps([row(category_id=first), row(category_id=2)]))
    write(read(file), out, "coco-gt")
    known = first if first in (2, "dog") else 1
    written = json.loads(out.read_text())
    assert [a["category_id"] for a in written["annotations"]] == [known, 2]
    assert [c["id"] for c in written["categories"]] == list(dict.fromkeys([known, 2]))
    assert categories_of(read(out)) == (known, 2)


def test_results_without_a_category_for_annotations(tmp_path):
    file = tmp_path / "pred.json"
    file.write_text(json.dumps([row(), row(category_id=[2])]))
    with pytest.raises(FormatError, match=r"pose 1: expected a category id .*got a list"):
        write(read(file), tmp_path / "gt.json", "coco-gt")


def test_results_of_one_category(tmp_path):
    file = tmp_path / "pred.json"
    file.write_text(json.dumps([row(), row(category_id=18), row()]))
    assert len(read(file, category=1)) == len(read(file, category="1")) == 2
    with pytest.raises(FormatError, match="expected poses of category 'dog', got those of 1, 18"):
        read(file, category="dog")
