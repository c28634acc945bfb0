import numpy as np
import pytest
import torch

import refine
from refine.adapters.torchvision import from_poses, keypointrcnn_inference, to_poses
from refine.exceptions import ArrayError


@pytest.fixture
def heads():
    """Logits (5, 17, 28, 28) of three images, and their boxes."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((5, 17, 28, 28)).astype(np.float32)
    corner, extent = rng.uniform(0, 300, (5, 2)), rng.uniform(0.3, 90, (5, 2))
    boxes = torch.from_numpy(np.concatenate([corner, corner + extent], 1).astype(np.float32))
    return torch.from_numpy(logits), list(boxes.split([2, 0, 3]))


@pytest.fixture
def outputs(heads):
    """Return what the model returns for three images, the second empty."""
    points, scores = keypointrcnn_inference(*heads)
    return [
        {"boxes": b, "labels": torch.ones(len(b), dtype=torch.int64), "scores": s.mean(1)}
        | {"keypoints": p, "keypoints_scores": s}
        for b, p, s in zip(heads[1], points, scores, strict=True)
    ]


def test_heads_are_decoded_as_torchvision_does(peer, heads):
    theirs = peer("torchvision.models.detection.roi_heads").keypointrcnn_inference(*heads)
    ours = keypointrcnn_inference(*heads)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-4)


def test_outputs_come_back(outputs):
    again = from_poses(to_poses(outputs))
    assert len(again) == 3
    for one, other in zip(again, outputs, strict=True):
        assert one.keys() == other.keys()
        torch.testing.assert_close(one, other)


def test_missing_joints_have_no_flag(outputs):
    poses = to_poses(outputs)
    xy = poses.xy.copy()
    xy[0, 3] = np.nan
    first = from_poses(poses.replace(xy=xy))[0]["keypoints"]
    assert first[0, 3].tolist() == [0, 0, 0]
    assert to_poses(from_poses(poses.replace(xy=xy))).present.sum() == 5 * 17 - 1


def test_poses_are_suppressed(outputs):
    twice = [{k: torch.cat([v, v]) for k, v in o.items()} for o in outputs]
    better = refine.run(to_poses(twice), refine.Config(steps=("suppress",)))
    assert [len(o["boxes"]) for o in from_poses(better)] == [2, 0, 3]


def test_bad_input_is_told(outputs, heads):
    with pytest.raises(ArrayError, match="3 images"):
        to_poses(outputs, images=[])
    with pytest.raises(ArrayError, match="boxes"):
        keypointrcnn_inference(heads[0], heads[1][:1])


def test_edges_are_taken(outputs):
    assert len(to_poses([])) == 0
    assert to_poses(iter(outputs)).images == to_poses(outputs).images
    bare = {"boxes": [], "scores": [], "labels": [], "keypoints": [], "keypoints_scores": []}
    poses = to_poses([bare, *outputs])
    assert poses.score_kind == "logit"
    assert [e["category_id"] for e in poses.extra] == [1] * 5


@pytest.mark.parametrize("joints", [5, 34])
def test_another_number_of_joints_is_told(outputs, joints):
    points = torch.ones(2, joints, 3)
    wrong = outputs[0] | {"keypoints": points, "keypoints_scores": torch.ones(2, joints)}
    with pytest.raises(ArrayError, match=rf"expected keypoints \(N, 17, 3\).*\(2, {joints}, 3\)"):
        to_poses([wrong])
