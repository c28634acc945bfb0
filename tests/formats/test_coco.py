import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, with_images, write
from refine.formats._keypoints import shortest


def test_every_field_comes_back(file, row, back):
    rows = [
        row(7, bbox=[140.8, 1.1, 90.1, 33.3], area=12.5, track_id=3, gt_ann_id=9, note={"a": [1]}),
        row(3, score=-2.25, file_name="a.jpg", bbox=None, keypoints=row()["keypoints"][::-1]),
        row(7, score=0.36912210782368976, area=None, track_id=-1),
    ]
    poses = read(file(rows))
    assert poses.meta["format"] == "coco"
    assert [ref.id for ref in poses.images] == [7, 3]
    assert poses.image.tolist() == [0, 1, 0]
    assert poses.images[1].file_name == "a.jpg"
    np.testing.assert_allclose(poses.box[0], [140.8, 1.1, 230.9, 34.4])
    assert np.isnan(poses.box[1:]).all()
    assert poses.track.tolist() == [3, -1, -1]
    assert back(poses) == rows


def test_boxes_come_back_to_the_last_digit(file, row, back):
    rng = np.random.default_rng(0)
    boxes = [rng.uniform(0, 900, 4).round(d).tolist() for d in range(9) for _ in range(20)]
    boxes += rng.uniform(0, 900, (20, 4)).astype(np.float32).astype(float).tolist()
    assert [r["bbox"] for r in back(read(file([row(bbox=b) for b in boxes])))] == boxes


def test_no_box_is_added(file, row, back):
    assert "bbox" not in back(read(file([row()])))[0]


def test_shortest_keeps_what_it_cannot_shorten():
    third = np.array([1 / 3])
    assert shortest(third, lambda v: v == third) == third


def test_zero_is_missing_whatever_its_score(file, row, back):
    rows = [row(keypoints=[0, 0, 0.447, *row()["keypoints"][3:]])]
    poses = read(file(rows))
    assert not poses.present[0, 0]
    assert poses.score[0, 0] == 0.447
    assert back(poses) == rows
    kept = read(file(rows), zero_is_missing=False)
    assert kept.present.all()
    assert back(kept) == rows


@pytest.mark.parametrize(
    ("gone", "score"),
    [([-1, -1, 0], 0), ([None, None, 0], 0), ([None, None, None], np.nan), ([0, 0, 0], 0)],
)
@pytest.mark.parametrize("zero_is_missing", [True, False])
def test_sentinels_come_back(file, row, back, gone, score, zero_is_missing):
    rows = [row(keypoints=[*gone, *row()["keypoints"][3:]])]
    poses = read(file(rows), zero_is_missing=zero_is_missing)
    assert poses.present[0, 0] == (gone == [0, 0, 0] and not zero_is_missing)
    np.testing.assert_equal(poses.score[0, 0], score)
    assert back(poses) == rows


def test_minus_one_with_a_score_is_a_place(file, row):
    assert read(file([row(keypoints=[-1, -1, 0.5, *row()["keypoints"][3:]])])).present.all()


def test_nan_is_missing_with_score_zero(file, row, back):
    text = json.dumps([row(keypoints=[float("nan"), 5, 1.0, *row()["keypoints"][3:]])])
    poses = read(file(text.encode()))
    assert not poses.present[0, 0]
    assert poses.score[0, 0] == 0
    assert back(poses)[0]["keypoints"][:3] == [None, 5, 1.0]


def test_joints_filled_later_are_written(file, row, back):
    poses = read(file([row(keypoints=[-1, -1, 0, *row()["keypoints"][3:]])]))
    xy = poses.xy.copy()
    xy[0, 0] = 5.5, 6.25
    assert back(poses.replace(xy=xy))[0]["keypoints"][:3] == [5.5, 6.25, 0]


@pytest.mark.parametrize(
    ("third", "kind"), [((0, 1, 2), "flag"), ((1, 1, 1), "flag"), ((0.5, 1.4, 6), "unknown")]
)
def test_kind_of_score(file, row, third, kind):
    rows = [row(keypoints=[v for i in range(17) for v in (5 + i, 6, third[i % 3])])]
    poses = read(file(rows))
    assert poses.score_kind == kind
    assert poses.score.max() == max(third)


def test_scores_of_the_refiner_are_told_by_the_history(file, row):
    poses = read(file([row(refine_history=["complete joints=3 weights=sha256:ab"])]))
    assert poses.score_kind == "expected_ks"
    assert poses.history[0].weights == "sha256:ab"


def test_an_empty_list_is_no_poses(file, back):
    poses = read(file([]))
    assert (len(poses), poses.images, poses.skeleton.name) == (0, (), "coco17")
    assert poses.score_kind == "unknown"
    assert back(poses) == []


def test_history_goes_through_every_row(file, row, back):
    done = read(file([row(), row()])).done("suppress", threshold=0.9, why="a b=c")
    rows = back(done)
    assert [r["refine_history"] for r in rows] == [['suppress threshold=0.9 why="a\\u0020b=c"']] * 2
    assert read(file(rows)).history == done.history
    with pytest.raises(FormatError, match=r"record 2: .*same steps.*record 0.*files of their own"):
        read(file([*rows, row()]))


PARTS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}


def test_wholebody_is_one_skeleton(file, row, values, back):
    rows = [row(**{f: values(k, i) for i, (f, k) in enumerate(PARTS.items())}) for _ in range(2)]
    poses = read(file(rows))
    assert poses.skeleton.name == "wholebody133"
    assert poses.xy[0, 17].tolist() == rows[0]["foot_kpts"][:2]
    assert poses.xy[1, 112].tolist() == rows[1]["righthand_kpts"][:2]
    assert back(poses) == rows
    body = read(file(rows), skeleton="coco17")
    assert body.skeleton.name == "coco17"
    assert back(body) == rows


def test_wholebody_with_empty_parts_is_a_body(file, row, back):
    rows = [row(**{f: [] for f in PARTS if f != "keypoints"})]
    assert read(file(rows)).skeleton.name == "coco17"
    assert back(read(file(rows))) == rows


def test_zero_area_one_joint_and_none(file, row, back):
    flat, lone, none = [5.0, 5.0, 1.0] * 17, [5, 5, 1, *[0] * 48], [0] * 51
    rows = [row(keypoints=k, bbox=[5, 5, 0, 0]) for k in (flat, lone, none)]
    poses = read(file(rows))
    assert poses.present.sum(1).tolist() == [17, 1, 0]
    assert back(poses) == rows


def test_ids_may_be_strings_and_twice(file, row, back):
    rows = [row("a"), row("a"), row("1", bbox=[0, 0, 1, 1]), row(1)]
    poses = read(file(rows), "coco")
    assert [ref.id for ref in poses.images] == ["a", "1", 1]
    assert back(poses) == rows


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": [1.0] * 50}, r"record 1: .*50 values, which is not 3 K|got 50 values"),
        ({"keypoints": [1.0] * 54}, r"record 1: expected 51 numbers in 'keypoints', got 54"),
        ({"keypoints": ["1"] * 51}, r"record 1: expected numbers in 'keypoints', got '1'.*quotes"),
        ({"keypoints": [True] * 51}, r"record 1: expected numbers .* got True"),
        ({"keypoints": "x"}, r"record 1: expected 51 numbers"),
        ({"keypoints": [[1, 2, 3]] * 51}, r"record 1: expected numbers"),
        ({"keypoints": [2e6, 1, 1] * 17}, r"record 1: expected coordinates in px.*2000000"),
        ({"keypoints": [10**400, 1, 1] * 17}, r"expected numbers.*digits"),
        ({"score": "0.5"}, r"record 1: expected numbers in 'score', got '0.5'.*quotes"),
        ({"score": 10**400}, r"record 1: expected a finite number in 'score'"),
        ({"bbox": [1, 2, 3]}, r"record 1: expected 4 numbers in 'bbox', got 3 values"),
        ({"bbox": [1, 2, None, 4]}, r"record 1: expected four numbers in px in 'bbox'"),
        ({"image_id": 1.5}, r"record 1: expected an image id, .* got 1.5"),
        ({"image_id": None}, r"record 1: expected an image id, .* got None"),
        ({"refine_history": "x"}, r"record 1: expected a list of lines"),
    ],
)
def test_bad_records(file, row, fields, message):
    with pytest.raises(FormatError, match=message):
        read(file([row(), row(**fields)]), "coco")


def test_infinity(file, row):
    text = json.dumps([row(keypoints=[float("inf")] * 51)])
    with pytest.raises(FormatError, match="record 0: expected finite numbers"):
        read(file(text.encode()))


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (14, "several: aic14, crowdpose14, lsp14.*--skeleton"),
        (25, "several: openpose25, openpose25b"),
        (19, "none that ships: .*54 values for openpose18.*--skeleton FILE"),
    ],
)
def test_ambiguous_numbers_of_joints(file, row, values, k, message):
    with pytest.raises(SkeletonError, match=message):
        read(file([row(keypoints=values(k))]))


def test_a_skeleton_of_another_size(file, row):
    with pytest.raises(SkeletonError, match="expected 16 joints for skeleton 'mpii16', got 17"):
        read(file([row()]), skeleton="mpii16")


@pytest.fixture
def truth(values):
    points = [v if i % 3 < 2 else 1 + i % 2 for i, v in enumerate(values())]
    points[3:6] = 0, 0, 0
    points[6:9] = 0, 0, 2
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 5, "file_name": "b/5.jpg", "width": 640, "height": 480, "license": 2},
            {"id": 6, "file_name": "b/000000000006.jpg", "width": 10, "height": 20},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 6,
                "category_id": 1,
                "keypoints": points,
                "num_keypoints": 16,
                "bbox": [1.1, 2.2, 3.3, 4.4],
                "area": 99.5,
                "iscrowd": 0,
            },
            {"id": 12, "image_id": 5, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        ],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "keypoints": list(refine.skeleton("coco17").joints),
                "skeleton": [[1, 2]],
            },
            {"id": 2, "name": "dog"},
        ],
    }


def test_ground_truth_comes_back(file, truth, back):
    poses = read(file(truth))
    assert (poses.meta["format"], poses.score_kind) == ("coco-gt", "flag")
    assert poses.images[0].extra == {"license": 2}
    assert not poses.present[0, 1]
    assert poses.xy[0, 2].tolist() == [0, 0]
    assert len(poses) == 1, "a dog is no person"
    assert poses.meta["notes"] == ("1 of 2 annotations are no persons: carried along",)
    assert back(poses) == truth
    truth["annotations"].reverse()
    poses = read(file(truth))
    assert back(poses) == truth
    assert back(poses[:0])["annotations"] == truth["annotations"][:1]


def test_ground_truth_without_counts_or_areas(file, truth, back):
    for field in ("num_keypoints", "area"):
        del truth["annotations"][0][field]
    poses = read(file(truth))
    assert poses.area is None
    assert back(poses) == truth


def test_ground_truth_on_another_skeleton_names_it(file, truth, back):
    from refine.poses import convert

    done = back(convert(read(file(truth)), "openpose18"))
    assert done["categories"][0]["keypoints"][1] == "neck"
    assert done["categories"][1] == {"id": 2, "name": "dog"}
    assert read(file(done)).skeleton.name == "openpose18"


def test_results_become_ground_truth(file, row, back):
    done = back(read(file([row(), row(2)])), format="coco-gt")
    assert [a["id"] for a in done["annotations"]] == [1, 2]
    assert done["annotations"][0]["num_keypoints"] == 17
    scores = row()["keypoints"][2::3]
    assert done["annotations"][0]["keypoints"][2::3] == [2 if s > 0.3 else 1 for s in scores]
    assert {1, 2} == set(done["annotations"][0]["keypoints"][2::3])
    assert read(file(done)).skeleton.name == "coco17"


def test_mistakes_in_ground_truth(file, truth):
    for change, message in (
        (lambda t: t["annotations"][0].update(image_id=99), "annotation 0: .*id of one of the ima"),
        (lambda t: t["annotations"][0].update(image_id=[]), "annotation 0: .*id of one of the ima"),
        (lambda t: t["images"][1].update(id=5), "image 1: expected images of different ids"),
        (lambda t: t["images"][1].update(width="640"), "image 1: expected a whole number 'width'"),
        (lambda t: t["annotations"][0].update(keypoints=[1] * 54), "annotation 0: expected 17 joi"),
        (lambda t: t["categories"][1].update(keypoints=["tail"]), "one skeleton in 'categories'"),
        (lambda t: t.update(annotations={}), "a list 'annotations', got an object"),
    ):
        broken = json.loads(json.dumps(truth))
        change(broken)
        with pytest.raises((FormatError, SkeletonError), match=message):
            read(file(broken), "coco-gt")


@pytest.mark.parametrize("name", [6, "6", "000000000006", "000000000006.jpg", "b/000000000006.jpg"])
def test_images_are_found_by_id_number_or_name(file, row, truth, back, name):
    rows = [row(name, bbox=[0, 0, 1, 1])]
    sizes = file(truth, "truth.json")
    poses = read(file(rows), images=sizes)
    assert (poses.images[0].width, poses.images[0].height) == (10, 20)
    assert poses.images[0].file_name == "b/000000000006.jpg"
    assert back(poses) == rows
    assert with_images(poses, sizes, rename=True).images[0].id == 6


def test_names_that_images_share_are_not_used(file, row, truth):
    truth["images"] = [{"id": i, "file_name": f"{i}/a.jpg", "width": i} for i in (1, 2)]
    with pytest.raises(FormatError, match=r"expected some of the images.*'a.jpg', got none"):
        read(file([row("a.jpg")]), images=file(truth, "truth.json"))
    assert read(file([row("2/a.jpg")]), images=file(truth, "truth.json")).images[0].width == 2


def test_precision_rounds_what_is_asked(file, row, tmp_path):
    write(read(file([row()])), tmp_path / "out.json", precision=0)
    assert np.array_equal(read(tmp_path / "out.json").xy, read(file([row()])).xy.round(0))


@pytest.mark.parametrize(
    "triple", [[None, 5.5, 0.5], [4.5, None, 0], [None, None, 0.5], [None, 3, None]]
)
def test_what_is_told_beside_a_null_comes_back(file, row, values, back, tmp_path, triple):
    rows = [row(keypoints=[*triple, *values()[3:]]), row(keypoints=[])]
    poses = read(file(rows))
    assert not poses.present[0, 0]
    assert back(poses) == rows
    filled = np.where(poses.present[..., None], poses.xy, 7.0)
    moved = back(poses.replace(xy=filled, score=np.full((2, 17), 0.25)))
    assert moved[0]["keypoints"][:3] == [7, 7, 0.25]
    write(poses, tmp_path / "gt.json", "coco-gt")
    (one, _) = json.loads((tmp_path / "gt.json").read_text())["annotations"]
    assert one["keypoints"][:3] == [0, 0, 0]
