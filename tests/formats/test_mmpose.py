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
    with pytest.raises(FormatError, match=r"whole numbers as image ids.*got 'a.jpg'"):
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
