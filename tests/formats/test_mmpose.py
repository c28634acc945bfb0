import json
import pickle

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, write


@pytest.fixture
def instance(values):
    def make(k=17, seed=0, **fields):
        points = np.array(values(k, seed)).reshape(k, 3)
        about = {"bbox": [[280.5, 60, 370, 300]], "bbox_score": 0.99}
        parts = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist()}
        return {**parts, **about, **fields}

    return make


def test_an_image_comes_back(file, instance, back):
    document = [instance(), instance(seed=1, bbox_score=5.25, track_id=3, note="x")]
    poses = read(file(document, "a.b.json"))
    assert poses.meta["format"] == "mmpose"
    assert poses.images == (refine.ImageRef("a.b"),)
    assert poses.box[0].tolist() == [280.5, 60, 370, 300]
    assert poses.instance_score.tolist() == [0.99, 5.25]
    assert poses.track.tolist() == [-1, 3]
    assert back(poses) == document


def test_boxes_may_be_flat_or_absent(file, instance, back):
    flat = [instance(bbox=[1, 2, 3, 4])]
    assert back(read(file(flat))) == flat
    bare = instance()
    del bare["bbox"], bare["bbox_score"]
    poses = read(file({"instance_info": [bare]}))
    assert poses.box is None
    assert back(poses) == {"instance_info": [bare]}


def test_a_video_comes_back(file, instance, back):
    document = [
        {"frame_id": 5, "instances": [instance()]},
        {"frame_id": 6, "instances": [], "x": 1},
    ]
    poses = read(file(document))
    assert [(ref.id, ref.frame) for ref in poses.images] == [(5, 5), (6, 6)]
    assert back(poses) == document
    assert back(read(file(document[:1]))) == document[:1]


def test_a_demo_names_its_joints(file, instance, back):
    names = refine.skeleton("crowdpose14").joints
    about = {"dataset_name": "x", "keypoint_id2name": {str(i): n for i, n in enumerate(names)}}
    document = {"meta_info": about, "instance_info": [instance(14)]}
    poses = read(file(document))
    assert poses.skeleton.name == "crowdpose14"
    assert back(poses) == document
    video = {"meta_info": about, "instance_info": [{"frame_id": 1, "instances": [instance(14)]}]}
    assert back(read(file(video))) == video


def test_old_results_of_x_y_score(file, values, back):
    points = np.array(values()).reshape(17, 3).tolist()
    document = [{"bbox": [1.5, 2, 3, 4, 0.75], "keypoints": points, "area": 3.5, "track_id": 2}]
    poses = read(file(document))
    assert poses.meta["format"] == "mmpose"
    assert poses.instance_score.tolist() == [0.75]
    assert poses.box.tolist() == [[1.5, 2, 3, 4]]
    assert back(poses) == document


def test_history_goes_through_every_instance(file, instance, back):
    done = read(file([instance(), instance()])).done("complete", "sha256:ab", joints=3)
    rows = back(done)
    assert all(r["refine_history"] == ["complete joints=3 weights=sha256:ab"] for r in rows)
    assert read(file(rows)).score_kind == "expected_ks"


def test_frames_need_numbers(file, tmp_path):
    poses = refine.Poses.from_arrays(
        refine.skeleton("coco17"),
        np.ones((2, 17, 2)),
        image=[0, 1],
        images=[refine.ImageRef("a.jpg"), refine.ImageRef("b.jpg")],
    )
    with pytest.raises(FormatError, match=r"whole numbers.*as image ids.*got 'a.jpg'"):
        write(poses, tmp_path / "out.json", "mmpose")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": [[1, 2]] * 16}, "instance 1: expected 17 'keypoints'.*got 16"),
        ({"keypoints": [[1, 2, 3]] * 17}, "instance 1: expected 2 numbers per joint"),
        ({"keypoints": [["1", 2]] * 17}, "instance 1: expected numbers in 'keypoints', got '1'"),
        ({"keypoint_scores": [1] * 16}, "instance 1: expected 17 numbers in 'keypoint_scores'"),
        ({"keypoint_scores": None}, "instance 1: expected 17 'keypoints' and as many"),
        ({"bbox": [[1, 2, 3]]}, "instance 1: expected 4 numbers in 'bbox', got 3 values"),
        ({"bbox_score": "1"}, "instance 1: expected numbers in 'bbox_score'"),
        ({"keypoints": 3}, "instance 1: expected an object with a list 'keypoints'"),
    ],
)
def test_mistakes(file, instance, fields, message):
    with pytest.raises(FormatError, match=message):
        read(file([instance(), instance(**fields)]))


@pytest.mark.parametrize("shape", ["lists", "dump", "dumps"])
def test_lists_of_images_come_back(file, values, instance, back, shape):
    """mmpose#907, #645: a list per frame in 0.x, and what people dump of an inferencer."""
    points = np.array(values()).reshape(17, 3).tolist()
    one = instance() if shape != "lists" else {"bbox": [1, 2, 3, 4, 0.5], "keypoints": points}
    groups = [[], [one, one], [one]]
    document = {
        "lists": groups,
        "dump": {"visualization": [], "predictions": groups},
        "dumps": [{"visualization": [], "predictions": [group]} for group in groups],
    }[shape]
    poses = read(file(document))
    assert (poses.meta["format"], len(poses.images)) == ("mmpose", 3)
    assert poses.image.tolist() == [1, 1, 2]
    assert [ref.frame for ref in poses.images] == [0, 1, 2]
    assert back(poses) == document


def sample(number, count, seed=0):
    """What 1.x dumps of one crop, or of one image."""
    rng = np.random.default_rng(seed)
    return {
        "img_id": number,
        "img_path": f"data/{number:012}.jpg",
        "ori_shape": (480, 640),
        "id": np.int64(seed),
        "category_id": 1,
        "gt_instances": {"keypoints": rng.uniform(0, 99, (count, 17, 2))},
        "pred_instances": {
            "keypoints": rng.uniform(0, 99, (count, 17, 2)),
            "keypoint_scores": rng.uniform(0, 1, (count, 17)).astype(np.float32),
            "bboxes": rng.uniform(0, 99, (count, 4)),
            "bbox_scores": np.full(count, 0.5),
        },
    }


def test_results_of_a_test_of_1x(tmp_path):
    """A pickle, which comes from memory: several crops of an image, and one without people."""
    dumped = [sample(139, 1), sample(140, 2, 1), sample(139, 1, 2), sample(141, 0)]
    poses = refine.read(dumped)
    assert poses.meta["format"] == "mmpose"
    refs = [refine.ImageRef(n, f"data/{n:012}.jpg", 640, 480) for n in (139, 140, 141)]
    assert list(poses.images) == refs
    assert poses.image.tolist() == [0, 0, 1, 1]
    for row, (at, i) in enumerate([(0, 0), (2, 0), (1, 0), (1, 1)]):
        for field, name in (("xy", "keypoints"), ("score", "keypoint_scores"), ("box", "bboxes")):
            given = dumped[at]["pred_instances"][name][i]
            np.testing.assert_allclose(getattr(poses, field)[row], given)
    assert poses.instance_score.tolist() == [0.5] * 4
    assert "nothing that is beside them" in poses.meta["notes"][0]
    refine.write(poses, tmp_path / "o.json", "coco")
    assert [p["image_id"] for p in json.loads((tmp_path / "o.json").read_text())] == [
        139, 139, 140, 140
    ]  # fmt: skip


def test_results_of_a_test_of_0x(file):
    rng = np.random.default_rng(0)
    preds = rng.uniform(0, 99, (2, 17, 3)).round(3)
    top_down = {
        "preds": preds.tolist(),
        "boxes": [[50, 50, 0.4, 0.5, 8000, 0.25], [50, 50, 0.4, 0.5, 8000, 0.75]],
        "image_paths": ["val/000000000139.jpg", "val/b.jpg"],
        "bbox_ids": [0, 1],
        "output_heatmap": None,
    }
    bottom_up = {
        "preds": np.concatenate([preds, preds[..., :1]], -1).tolist(),
        "scores": [0.5, 0.25],
        "image_paths": ["val/c.jpg"],
    }
    nobody = {"preds": [], "scores": [], "image_paths": ["val/d.jpg"]}
    poses = refine.read(file([top_down, bottom_up, nobody]))
    assert [ref.id for ref in poses.images] == [139, "val/b.jpg", "val/c.jpg", "val/d.jpg"]
    assert poses.image.tolist() == [0, 1, 2, 2]
    np.testing.assert_array_equal(poses.xy, np.concatenate([preds, preds])[..., :2])
    assert poses.instance_score.tolist() == [0.25, 0.75, 0.5, 0.25]
    for odd, message in (
        ({**top_down, "image_paths": ["a", "b", "c"]}, "as many 'image_paths' as 'preds', got 3"),
        ({**top_down, "image_paths": [1, 2]}, "names in 'image_paths', got 1"),
        ({**top_down, "boxes": [[1]]}, "as many of each, got 2 'keypoints', 1 'bbox_score'"),
        ({**top_down, "preds": None}, "a list 'preds', got null"),
        ({**sample(1, 1), "pred_instances": {"keypoints": 3}}, "a list 'keypoints', got 3"),
        (3, "expected an object, got 3"),
    ):
        with pytest.raises(FormatError, match=f"result 1: .*{message}"):
            refine.read([top_down, odd])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_named_and_not_loaded(file, protocol):
    with pytest.raises(FormatError, match=r"got a pickle.*refine.read\(pickle.load\(file\)\)"):
        refine.read(file(pickle.dumps([sample(1, 1)], protocol), "results.pkl"))


@pytest.mark.parametrize("number", [-1, 2**53 + 1])
def test_frames_are_numbered_as_they_are_read(number, tmp_path):
    images = [refine.poses.ImageRef(number), refine.poses.ImageRef(2)]
    poses = refine.Poses.from_arrays("coco17", np.ones((2, 17, 2)), image=[0, 1], images=images)
    with pytest.raises(FormatError, match=rf"whole numbers from 0 to.*{number}"):
        write(poses, tmp_path / "x.json", "mmpose")
