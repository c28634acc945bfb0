"""Transformers: VitPose results with all joints and the right box.

Switch with one line:
    results = post_process_pose_estimation(outputs, boxes)  # was processor.post_process_...
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from refine.adapters._arrays import as_skeleton, to_array
from refine.decoding.heatmap.arrays import DEFAULT_KERNEL, Method, decode_heatmaps
from refine.exceptions import ArrayError
from refine.geometry import Crop, xywh_to_xyxy
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

Result = dict[str, Tensor]


def post_process_pose_estimation(
    outputs: Any,
    boxes: Sequence[Any],
    kernel_size: int = 11,
    threshold: float | None = None,
    target_sizes: Any = None,
    *,
    method: Method = "fit",
) -> list[list[Result]]:
    """Do what `VitPoseImageProcessor.post_process_pose_estimation` does, with `decode_heatmaps`.

    Three things differ from theirs on purpose: every result has all K joints, `bbox` is the box
    of the person (theirs mixes its centre and scale up), and `target_sizes` are height and width,
    one per image, as their documentation says.

    Args:
        outputs: whose `heatmaps` (N, K, H, W) are read.
        boxes: for every image its boxes x, y, width, height, image px; N in all.
        kernel_size: of the methods that blur.
        threshold: joints that do not exceed it become NaN.
        target_sizes: one (height, width) an image, where boxes are relative to it.
        method: see `decode_heatmaps`; "dark-udp" is nearest to theirs.

    Returns:
        for every image one dict a box, tensors on the device of the maps: `keypoints` (K, 2)
        image px, NaN where a joint has no peak, `scores` (K,), `labels` (K,) 0..K-1 and `bbox`
        (4,) xyxy.

    Raises:
        ArrayError: maps and boxes, or images and sizes, that differ in number.
        GeometryError: a box without area.

    >>> from types import SimpleNamespace
    >>> outputs = SimpleNamespace(heatmaps=torch.eye(64)[None, None, :, :48])
    >>> [[person]] = post_process_pose_estimation(outputs, [[[0, 0, 37.6, 50.4]]], method="argmax")
    >>> person["bbox"], person["keypoints"].shape
    (tensor([ 0.0000,  0.0000, 37.6000, 50.4000]), torch.Size([1, 2]))
    """
    maps = to_array(outputs.heatmaps)
    counts = [len(people) for people in boxes]
    if maps.ndim != 4 or sum(counts) != len(maps):
        raise ArrayError(f"expected one of {sum(counts)} boxes per map, got maps {maps.shape}")
    people = list(chain.from_iterable(to_array(b).tolist() for b in boxes))
    box = xywh_to_xyxy(np.array(people, np.float64).reshape(-1, 4))
    if target_sizes is not None:
        sizes = to_array(target_sizes)
        if sizes.shape != (len(counts), 2):
            raise ArrayError(f"expected {len(counts)} sizes (height, width), got {sizes.shape}")
        box = box * np.repeat(np.tile(sizes[:, ::-1], 2), counts, 0)
    kernel = kernel_size if method in DEFAULT_KERNEL else None
    cells, score = decode_heatmaps(maps, method, kernel)
    if threshold is not None:
        cells[~(score > threshold)] = np.nan
    # The map's corners lie on the crop's corners.
    crop = Crop.from_box(box, maps.shape[:1:-1], alignment="corners") if len(box) else None
    xy = crop.inverse()(cells) if crop else cells
    return _nested(xy, score, box, counts, outputs.heatmaps.device)


def to_poses(
    results: Iterable[Sequence[Mapping[str, Any]]],
    skeleton: str | Skeleton = "coco17",
    images: Sequence[ImageRef] | None = None,
) -> Poses:
    """Turn results of `post_process_pose_estimation` into poses.

    The original's are taken too: `labels` tell which joints a `threshold` has left. Its `bbox` is
    of no use and not read. The instance score is the mean of the joints' scores.

    Args:
        results: for every image one dict a person.
        skeleton: of the K joints.
        images: one for every image; by default numbered from 0.

    Raises:
        ArrayError: labels beyond the skeleton, or images that differ in number.

    >>> person = {"keypoints": torch.ones(1, 2), "scores": torch.ones(1), "labels": [3]}
    >>> poses = to_poses([[], [person]])
    >>> poses.present[0].nonzero()[0].tolist(), poses.images[poses.image[0]].id
    ([3], 1)
    """
    joints = as_skeleton(skeleton)
    results = list(results)
    counts = [len(people) for people in results]
    refs = [ImageRef(i) for i in range(len(counts))] if images is None else images
    if len(refs) != len(counts):
        raise ArrayError(f"expected {len(counts)} images, got {len(refs)}")
    n, k = sum(counts), len(joints)
    xy, score = np.full((n, k, 2), np.nan), np.full((n, k), np.nan)
    for i, person in enumerate(chain.from_iterable(results)):
        labels = to_array(person["labels"])
        if labels.size and not (labels.min() >= 0 and labels.max() < k):
            raise ArrayError(f"expected labels below {k} for {joints.name!r}, got {labels.max()}")
        labels = labels.astype(np.intp)  # An empty list is one of floats.
        xy[i, labels], score[i, labels] = to_array(person["keypoints"]), to_array(person["scores"])
    known = np.isfinite(score)
    total = np.where(known, score, 0).sum(1)
    mean = np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)
    return Poses.from_arrays(
        joints,
        xy,
        score,
        instance_score=mean,
        image=np.repeat(np.arange(len(counts)), counts),
        images=refs,
        score_kind="peak",
    )


def from_poses(poses: Poses) -> list[list[Result]]:
    """Turn poses into results as `post_process_pose_estimation` gives them, on the CPU.

    `bbox` is NaN for poses without a box.

    >>> len(from_poses(to_poses([[], []])))
    2
    """
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box
    order = [rows for _, rows in poses.by_image()]
    counts = [len(rows) for rows in order]
    flat = np.concatenate([np.empty(0, np.intp), *order])
    return _nested(poses.xy[flat], poses.score[flat], box[flat], counts, torch.device("cpu"))


def _nested(
    xy: npt.NDArray[Any],
    score: npt.NDArray[Any],
    box: npt.NDArray[Any],
    counts: Sequence[int],
    device: torch.device,
) -> list[list[Result]]:
    tensors = [torch.as_tensor(a, dtype=torch.float32, device=device) for a in (xy, score, box)]
    labels = torch.arange(score.shape[1], device=device)
    rows = (
        {"keypoints": points, "scores": scores, "labels": labels, "bbox": corners}
        for points, scores, corners in zip(*tensors, strict=True)
    )
    return [[next(rows) for _ in range(count)] for count in counts]
