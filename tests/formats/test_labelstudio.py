"""Label Studio: what people and models make there, and what bites."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, write

SIZE = {"original_width": 640, "original_height": 480}
AROUND = {"from_name": "kp", "to_name": "img", "image_rotation": 0}


def point(x, y, joint, **fields):
    value = {"x": x, "y": y, "width": 0.4, "keypointlabels": [joint]}
    return {**SIZE, **AROUND, "type": "keypointlabels", "value": value, **fields}


def rectangle(name, x=10.0, label="person", **fields):
    value = {"x": x, "y": 10.0, "width": 20.0, "height": 50.0, "rotation": 0}
    value["rectanglelabels"] = [label]
    kind = {"type": "rectanglelabels", "id": name}
    return {**SIZE, **AROUND, **kind, "value": value, **fields}


@pytest.fixture
def task():
    """A task with one annotation, or prediction, of these results."""

    def make(*results, field="annotations", **fields):
        made = {"result": list(results), "completed_by": 1, "ground_truth": False}
        data = {"image": "/data/upload/3/0a1b2c3d-a%20b.jpg"}
        return {"id": 12, "data": data, field: [made], **fields}

    return make


def one(name="p", joint="nose", x=50.0):
    return [rectangle(name), point(x, 25.0, joint, id=f"{name}1", parentID=name)]


def test_percents_are_px_and_the_rest_comes_back(file, task, back):
    document = [task(*one(), point(12.5, 50.0, "left_ankle", id="z", parentID="p", meta={"a": 1}))]
    poses = read(file(document))
    assert poses.images[0].id == 12
    assert poses.images[0].file_name == "a b.jpg"
    assert (poses.images[0].width, poses.images[0].height) == (640, 480)
    assert poses.skeleton.name == "coco17"
    assert poses.xy[0, [0, 15]].tolist() == [[320, 120], [80, 240]]
    assert poses.box.tolist() == [[64, 48, 192, 288]]
    assert (poses.score_kind, int(poses.present.sum())) == ("none", 2)
    again = back(poses)
    assert [sorted(r.items(), key=str) for r in again[0]["annotations"][0]["result"]] == [
        sorted(r.items(), key=str) for r in document[0]["annotations"][0]["result"]
    ]
    assert {k: v for k, v in again[0].items() if k != "annotations"} == {
        "id": 12,
        "data": document[0]["data"],
    }


def test_points_are_tied_by_parents_or_relations(file, task):
    tied = [*one("p"), *one("q", x=60.0)]
    poses = read(file([task(*tied)]))
    assert poses.xy[:, 0, 0].tolist() == [320, 384]
    for result in tied:
        result.pop("parentID", None)
    ties = [
        {"type": "relation", "from_id": f"{n}1", "to_id": n, "direction": "right"} for n in "pq"
    ]
    poses = read(file([task(*tied, *ties)]))
    assert poses.xy[:, 0, 0].tolist() == [320, 384]
    assert poses.box[:, 0].tolist() == [64, 64]


def test_untied_points_are_the_only_persons_or_refused(file, task):
    loose = [point(50.0, 25.0, "nose"), point(60.0, 25.0, "left_eye")]
    assert read(file([task(*loose)])).present.sum() == 2
    poses = read(file([task(rectangle("r"), *loose)]))
    assert (len(poses), poses.box.tolist()) == (1, [[64, 48, 192, 288]])
    for more in (loose, [rectangle("r"), rectangle("s"), *loose], [*one(), *loose]):
        results = [*more, *loose] if more is loose else more
        with pytest.raises(FormatError, match=r"tied to those of the same person.*a rectangle"):
            read(file([task(*results)]))
    with pytest.raises(FormatError, match="got 'nose' twice"):
        read(file([task(*one(), point(1.0, 2.0, "nose", id="x", parentID="p"))]))


def test_joints_have_one_label_each(file, task):
    """Its COCO importer labels every point with the name of the category."""
    same = [point(i, 20.0, "person", id=str(i), parentID="p") for i in range(3)]
    with pytest.raises(FormatError, match="'person' twice"):
        read(file([task(rectangle("p"), *same)]))
    two = point(1.0, 2.0, "nose")
    two["value"]["keypointlabels"] = ["nose", "left_eye"]
    with pytest.raises(FormatError, match=r"one label in 'keypointlabels', got \['nose', 'left"):
        read(file([task(two)]))
    named = read(file([task(point(1.0, 2.0, "tail"), point(3.0, 4.0, "snout"))]))
    assert named.skeleton.joints == ("tail", "snout")
    with pytest.raises(SkeletonError, match="expected joints of 'coco17', got 'tail'"):
        read(file([task(point(1.0, 2.0, "tail"))]), skeleton="coco17")
    assert read(file([task(point(1.0, 2.0, "Left Eye"))])).present[0, 1]


def test_annotations_come_before_predictions(file, task, back):
    document = [task(*one(), predictions=[{"model_version": "v1", "result": one(x=70.0)}])]
    document.append(task(field="annotations") | {"id": 13})
    poses = read(file(document))
    assert (poses.xy[0, 0, 0], len(poses.images)) == (320, 2)
    assert "1 tasks have predictions beside them" in poses.meta["notes"][0]
    assert back(poses)[0]["predictions"] == document[0]["predictions"]
    document = [task(*one(), field="predictions", annotations=[])]
    poses = read(file(document))
    assert poses.xy[0, 0, 0] == 320
    assert "predictions" in back(poses)[0]
    document[0]["predictions"] *= 2
    with pytest.raises(FormatError, match=r"one of 'predictions' of a task, got 2.*of one version"):
        read(file(document))
    document = [task(*one())]
    document[0]["annotations"].insert(0, {"was_cancelled": True, "result": one(x=70.0)})
    assert read(file(document)).xy[0, 0, 0] == 320


def test_what_is_no_person_is_carried(file, task, back):
    choice = {"type": "choices", "value": {"choices": ["blurred"]}, "id": "c"}
    car = rectangle("car", label="car")
    document = [task(*one(), choice)]
    assert back(read(file(document)))[0]["annotations"][0]["result"][-1] == choice
    poses = read(file([task(*one(), car, rectangle("q"))]))
    assert (len(poses), poses.present.any(1).tolist()) == (2, [True, False])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_rotation": 90}, "result 0: expected no rotation, got 90"),
        ({"original_width": "x"}, "whole number 'original_width', got 'x'"),
        (
            {"value": {"x": "a", "y": 1.0, "keypointlabels": ["nose"]}},
            "numbers in 'value', got 'a'",
        ),
        ({"value": {"x": 1.0, "y": 1.0}}, "one label in 'keypointlabels', got None"),
    ],
)
def test_what_is_refused(file, task, change, message):
    with pytest.raises(FormatError, match=message):
        read(file([task(point(1.0, 2.0, "nose", **change))]))


def test_percents_need_sizes(file, task):
    bare = [{k: v for k, v in result.items() if k not in SIZE} for result in one()]
    with pytest.raises(FormatError, match="no size of image 12; try --sizes"):
        read(file([task(*bare)]))
    sizes = file({"images": [{"id": 12, "width": 640, "height": 480}]}, "sizes.json")
    assert read(file([task(*bare)]), images=sizes).xy[0, 0].tolist() == [320, 120]


def test_predictions_for_annotators(cli, file, row, tmp_path):
    keypoints = row()["keypoints"]
    keypoints[:3] = [0, 0, 0.3]
    rows = [row(keypoints=keypoints, bbox=[10, 20, 100, 200]), row(image_id=2, category_id=3)]
    images = [{"id": i, "file_name": f"d/{i}.jpg", "width": 640, "height": 480} for i in (1, 2, 3)]
    sizes = file({"images": images}, "sizes.json")
    out = tmp_path / "tasks.json"
    done = cli("convert", file(rows), "--to", "labelstudio", "-o", out, "--sizes", sizes)
    assert done.code == 0
    assert "rectangles around the joints of 1 poses without a box" in done.err
    assert "scores of 1 missing joints" in done.err
    first, second = json.loads(out.read_text())
    assert (first["id"], first["data"]) == (1, {"image": "d/1.jpg"})
    (made,) = first["predictions"]
    assert made["score"] == 0.5
    box, *points = made["result"]
    assert (box["type"], box["value"]["rectanglelabels"]) == ("rectanglelabels", ["person"])
    assert len(points) == 16
    assert {p["parentID"] for p in points} == {box["id"]}
    x, _, score = keypoints[3:6]
    assert points[0]["value"]["x"] == pytest.approx(x / 6.4, abs=1e-12)
    assert points[0]["value"]["keypointlabels"] == ["left_eye"]
    assert points[0]["score"] == score
    assert second["predictions"][0]["result"][0]["value"]["rectanglelabels"] == ["3"]
    before, after = read(file(rows)), read(out)
    np.testing.assert_array_equal(after.xy, before.xy)
    np.testing.assert_array_equal(after.instance_score, before.instance_score)
    assert [e["category_id"] for e in after.extra] == [1, 3]
    np.testing.assert_array_equal(after.box, [[10, 20, 110, 220], [np.nan] * 4])
    write(after, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(out.read_text())
    done = cli("convert", file(rows), "--to", "labelstudio", "-o", out)
    assert (done.code, "expected the size of image 1" in done.err) == (3, True)
    ref = refine.ImageRef(1, "1.jpg", 640, 480)
    empty = refine.Poses.from_arrays("coco17", np.full((1, 17, 2), np.nan), images=[ref])
    with pytest.raises(FormatError, match="got a pose without both"):
        write(empty, out, "labelstudio")
