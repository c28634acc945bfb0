"""pycocotools: results in memory to poses and back.

Switch with one line:
    results = from_poses(refine.run(to_poses(results)))  # then truth.loadRes(results)
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refine.adapters._arrays import as_skeleton
from refine.formats import get_format, prepared, read
from refine.poses import Poses
from refine.skeletons import Skeleton

MADE = frozenset({"id", "area", "bbox", "iscrowd"})
"""What `COCO.loadRes` gives keypoint results (pycocotools/coco.py): its box spans the (0, 0) of
missing joints, too."""


def to_poses(results: Any, skeleton: str | Skeleton = "coco17") -> Poses:
    """Turn results into poses; joints at (0, 0) are missing.

    Args:
        results: rows as `COCO.loadRes` takes them, of a list or a generator, or what it returns;
            its names and sizes of images come along, and so do images without results.
        skeleton: of the K joints.

    Raises:
        FormatError: rows that are no results.

    >>> row = {"image_id": 1, "category_id": 1, "keypoints": [3, 4, 1] * 17, "score": 0.5}
    >>> to_poses([row]).instance_score.tolist()
    [0.5]
    """
    joints = as_skeleton(skeleton)
    held: Mapping[str, Any] = getattr(results, "dataset", None) or {}
    rows: Iterable[Mapping[str, Any]] = held.get("annotations", ()) if held else results
    if not held:
        return _read([dict(row) for row in rows], joints)
    poses = _read([{k: v for k, v in row.items() if k not in MADE} for row in rows], joints)
    listed = read({"images": held["images"], "annotations": []}, "coco-gt", skeleton=joints)
    place = {ref.id: i for i, ref in enumerate(listed.images)}
    image = [place[poses.images[i].id] for i in poses.image]
    return poses.replace(image=np.array(image, np.intp), images=listed.images)


def _read(rows: list[dict[str, Any]], joints: Skeleton) -> Poses:
    return read(rows, "coco", skeleton=joints) if rows else Poses.empty(joints)


def from_poses(poses: Poses) -> list[dict[str, Any]]:
    """Turn poses into rows for `COCO.loadRes`, one per pose.

    Poses without a score get 1 and those without a category are of category 1, as in files.

    >>> from_poses(Poses.from_arrays("coco17", [[[3, 4]] * 17]))[0]["category_id"]
    1
    """
    form = get_format("coco")
    ready, _ = prepared(poses, form.name)
    rows: Any = form.write(ready, None, "document")
    return list(rows)
