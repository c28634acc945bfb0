from types import SimpleNamespace

import numpy as np
import pytest
import torch

import refine
from refine.adapters.transformers import from_poses, post_process_pose_estimation, to_poses
from refine.exceptions import ArrayError, GeometryError

BOXES = [[[10.0, 20, 60, 120], [200, 30, 90, 90], [5, 5, 40, 50]], [], [[0, 0, 30, 60]] * 3]


@pytest.fixture
def outputs(maps):
    return SimpleNamespace(heatmaps=torch.from_numpy(maps))


def placed(cells):
    """Return cells (6, 17, 2) in the image, as VitPose's crops lie: corners on corners."""
    out = []
    for box, points in zip([b for image in BOXES for b in image], cells, strict=True):
        x, y, w, h = box
        width = max(w, 0.75 * h) * 1.25
        extent = np.array([width, width / 0.75])
        out.append((points / (47, 63) - 0.5) * extent + (x + w / 2, y + h / 2))
    return np.array(out)


def test_results_have_all_joints_and_the_box_of_the_person(outputs, centres):
    results = post_process_pose_estimation(outputs, BOXES)
    assert [len(image) for image in results] == [3, 0, 3]
    people = [p for image in results for p in image]
    assert people[1]["bbox"].tolist() == [200, 30, 290, 120]
    for person in people:
        assert person["keypoints"].shape == (17, 2)
        assert person["labels"].tolist() == list(range(17))
        assert {t.dtype for k, t in person.items() if k != "labels"} == {torch.float32}
    xy = np.stack([p["keypoints"].numpy() for p in people])
    assert np.isnan(xy[0, :2]).all()
    error = np.linalg.norm(xy - placed(centres), axis=-1)
    assert np.nanmedian(error) < 0.1


def test_a_threshold_hides_joints_and_keeps_rows(outputs):
    results = post_process_pose_estimation(outputs, BOXES, threshold=1.5)
    xy = np.stack([p["keypoints"].numpy() for image in results for p in image])
    assert xy.shape == (6, 17, 2)
    assert np.argwhere(np.isfinite(xy).all(-1)).tolist() == [[0, 2]]


def test_target_sizes_are_height_and_width_of_images(outputs):
    plain = post_process_pose_estimation(outputs, BOXES)
    sizes = [(200, 400), (1, 1), (100, 300)]
    relative = [
        [list(np.array(b) / (w, h, w, h)) for b in image]
        for image, (h, w) in zip(BOXES, sizes, strict=True)
    ]
    scaled = post_process_pose_estimation(outputs, relative, target_sizes=torch.tensor(sizes))
    for one, other in zip(plain[0] + plain[2], scaled[0] + scaled[2], strict=True):
        torch.testing.assert_close(one, other, equal_nan=True, rtol=1e-5, atol=1e-4)


def test_poses_and_back(outputs):
    results = post_process_pose_estimation(outputs, BOXES)
    poses = to_poses(results)
    assert poses.image.tolist() == [0, 0, 0, 2, 2, 2]
    assert poses.score_kind == "peak"
    again = from_poses(poses.replace(box=np.ones((6, 4))))
    for one, other in zip(results[0] + results[2], again[0] + again[2], strict=True):
        torch.testing.assert_close(one["keypoints"], other["keypoints"], equal_nan=True)
        assert (other["bbox"] == 1).all()
    better = refine.run(poses, refine.Config(steps=("suppress",)))
    assert [len(image) for image in from_poses(better)][1] == 0


def test_bad_input_is_told(outputs):
    with pytest.raises(ArrayError, match="one of 3 boxes per map"):
        post_process_pose_estimation(outputs, BOXES[:1])
    with pytest.raises(ArrayError, match="3 sizes"):
        post_process_pose_estimation(outputs, BOXES, target_sizes=[(1, 1)] * 6)
    with pytest.raises(GeometryError, match="box with area"):
        post_process_pose_estimation(outputs, [[[0, 0, 0, 5]] * 6])
    person = {"keypoints": torch.ones(1, 2), "scores": torch.ones(1), "labels": torch.tensor([17])}
    with pytest.raises(ArrayError, match="labels below 17"):
        to_poses([[person]])
    with pytest.raises(ArrayError, match="2 images"):
        to_poses([[], []], images=[refine.ImageRef(0)])


def test_a_real_network_and_its_processor(peer):
    library = peer("transformers")
    backbone = library.VitPoseBackboneConfig(
        image_size=[64, 48], hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    config = library.VitPoseConfig(backbone_config=backbone, num_labels=17)
    model = library.VitPoseForPoseEstimation(config).eval()
    with torch.no_grad():
        outputs = model(torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(0)))
    boxes = [[[10.0, 20, 60, 120]], [[200, 30, 90, 90], [5, 5, 40, 50]]]
    theirs = library.VitPoseImageProcessor().post_process_pose_estimation(outputs, boxes)
    ours = post_process_pose_estimation(outputs, boxes)
    for mine, other in zip(ours[0] + ours[1], theirs[0] + theirs[1], strict=True):
        assert mine.keys() == other.keys()
        for key in mine:
            assert mine[key].shape == other[key].shape
            assert mine[key].dtype == other[key].dtype
        torch.testing.assert_close(mine["scores"], other["scores"])
    kept = library.VitPoseImageProcessor().post_process_pose_estimation(
        outputs, boxes, threshold=float(np.median(outputs.heatmaps.amax((2, 3)).numpy()))
    )
    poses = to_poses(kept)
    assert 0 < poses.present.sum() < poses.present.size


def test_peaks_lie_where_theirs_lie(peer, outputs, maps, centres):
    processor = peer("transformers").VitPoseImageProcessor()
    theirs = processor.post_process_pose_estimation(outputs, BOXES)
    xy = np.stack([p["keypoints"].numpy() for image in theirs for p in image])
    ours = to_poses(post_process_pose_estimation(outputs, BOXES)).xy
    inside = ((centres > 5) & (centres < (42, 58))).all(-1)
    inside[0, :3] = False
    np.testing.assert_allclose(ours[inside], xy[inside], atol=0.3)


def test_persons_without_labels_and_generators():
    person = {"keypoints": torch.ones(0, 2), "scores": torch.ones(0), "labels": []}
    poses = to_poses(people for people in ([person], []))
    assert (len(poses), len(poses.images), bool(poses.present.any())) == (1, 2, False)
    assert len(to_poses([])) == 0
    wrong = {"keypoints": torch.ones(1, 2), "scores": torch.ones(1), "labels": [-1]}
    with pytest.raises(ArrayError, match="labels below 17"):
        to_poses([[wrong]])
