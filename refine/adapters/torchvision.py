"""torchvision's Keypoint R-CNN: its outputs to poses and back, and its heatmaps' decoder.

Switch with one line:
    torchvision.models.detection.roi_heads.keypointrcnn_inference = keypointrcnn_inference
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from refine.adapters._arrays import as_skeleton, joined, to_array, zero_missing
from refine.decoding.heatmap.roi import decode_roi_heatmaps
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

PERSON = 1
"""Label of a person in Keypoint R-CNN; 0 is the background."""


def keypointrcnn_inference(x: Tensor, boxes: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Decode the heads' maps, as the function of that name in `roi_heads.py` does.

    Args:
        x: (N, K, H, W) logits of all images.
        boxes: for every image (n, 4) xyxy px; N in all.

    Returns:
        for every image keypoints (n, K, 3): x, y and 1, and scores (n, K), logits. Maps that hold
        NaN or infinity give NaN.

    Raises:
        ArrayError: maps and boxes that differ in number, or a box that is not finite.

    >>> maps = torch.zeros(1, 1, 4, 4)
    >>> maps[0, 0, 1, 2] = 1.0
    >>> keypointrcnn_inference(maps, [torch.tensor([[10.0, 20, 14, 24]])])[0]
    [tensor([[[12.5000, 21.5000,  1.0000]]])]
    """
    counts = [len(b) for b in boxes]
    box = np.concatenate([np.empty((0, 4)), *(to_array(b) for b in boxes)])
    xy, score = decode_roi_heatmaps(to_array(x), box)
    flagged = np.concatenate([xy, np.ones_like(score)[..., None]], -1)
    points, scores = (
        list(torch.split(torch.as_tensor(a, dtype=torch.float32, device=x.device), counts))
        for a in (flagged, score)
    )
    return points, scores


def to_poses(
    outputs: Iterable[Mapping[str, Any]],
    skeleton: str | Skeleton = "coco17",
    images: Sequence[ImageRef] | None = None,
) -> Poses:
    """Turn what the model returns into poses, in its own pixels: the first spans 0 to 1.

    Args:
        outputs: one dict per image, of a sequence or a generator, with `boxes` (n, 4), `scores`
            (n,), `keypoints` (n, K, 3) and `keypoints_scores` (n, K); `labels` (n,) are carried
            along as categories.
        skeleton: of the K joints.
        images: one for every image; by default numbered from 0.

    Returns:
        poses with `score_kind` "logit".

    Raises:
        ArrayError: arrays that do not fit the skeleton.

    >>> output = {"boxes": torch.ones(2, 4), "scores": torch.ones(2)}
    >>> output |= {"keypoints": torch.ones(2, 17, 3), "keypoints_scores": torch.ones(2, 17)}
    >>> to_poses([output]).instance_score.tolist()
    [1.0, 1.0]
    """
    joints, outputs = as_skeleton(skeleton), list(outputs)
    refs = [ImageRef(i) for i in range(len(outputs))] if images is None else images
    if len(refs) != len(outputs):
        raise ArrayError(f"expected {len(outputs)} images, got {len(refs)}")
    parts = []
    for output, ref in zip(outputs, refs, strict=True):
        points = to_array(output["keypoints"])
        points = points if points.size else np.empty((0, len(joints), 3))
        if points.shape[1:] != (len(joints), 3):
            raise ArrayError(
                f"expected keypoints (N, {len(joints)}, 3) for {joints.name!r}, got {points.shape}",
                where=f"image {ref.id}",
                hint="to_poses(outputs, skeleton) with their skeleton",
            )
        labels = to_array(output.get("labels", [PERSON] * len(points))).tolist()
        poses = Poses.from_arrays(
            joints,
            np.where(points[..., 2:] > 0, points[..., :2], np.nan),
            to_array(output["keypoints_scores"]).reshape(-1, len(joints)),
            instance_score=to_array(output["scores"]),
            images=[ref],
            score_kind="logit",
            box=to_array(output["boxes"]).reshape(-1, 4),
        )
        parts.append(poses.replace(extra=tuple({"label": i, "category_id": i} for i in labels)))
    return joined(parts, joints, "logit")


def from_poses(poses: Poses) -> list[dict[str, Tensor]]:
    """Turn poses into outputs as the model returns them, one dict an image, on the CPU.

    Missing joints are (0, 0, 0), for theirs have no other form; boxes are NaN where there are
    none.

    >>> from_poses(Poses.from_arrays(as_skeleton("coco17"), np.ones((1, 17, 2))))[0]["labels"]
    tensor([1])
    """
    xy, score = zero_missing(poses)
    points = np.concatenate([xy, poses.present[..., None]], -1).astype(np.float32)
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box
    labels = np.array([e.get("label", PERSON) for e in poses.extra], np.int64)
    arrays: dict[str, npt.NDArray[Any]] = {
        "boxes": box.astype(np.float32),
        "labels": labels,
        "scores": poses.instance_score.astype(np.float32),
        "keypoints": points,
        "keypoints_scores": score,
    }
    return [
        {name: torch.from_numpy(a[rows]) for name, a in arrays.items()}
        for _, rows in poses.by_image()
    ]
