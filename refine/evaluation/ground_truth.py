"""Ground truth that poses are measured against, and how predictions find their images in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Floats, Indices
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.files import parse_json, read_bytes
from refine.oks import BOX_FRACTION
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton_from_category


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Annotated persons on images.

    Attributes:
        skeleton: the K joints.
        images: ids in the order of their size, as pycocotools sorts them.
        names: file name of each image, "" where unknown.
        annotations: COCO annotations as plain dicts: `image` (index into `images`), `keypoints`
            (3K,) float64, `num_keypoints`, `area`, `bbox` xywh, `iscrowd`, `id`, and what else
            the source has.
        guessed_areas: annotations whose area is 0.53 of their box, because they had none.
        where: the file, for messages.
    """

    skeleton: Skeleton
    images: tuple[int | str, ...]
    names: tuple[str, ...]
    annotations: tuple[Mapping[str, Any], ...]
    guessed_areas: int = 0
    where: str = "ground truth"

    def rows_of(self, ids: Sequence[int | str]) -> list[int]:
        """Return the indices of image ids.

        Raises:
            FormatError: ids that the ground truth lacks, or none at all.
        """
        rows, unknown = self.find([ImageRef(i) for i in ids])
        if unknown or not rows:
            raise FormatError(
                f"expected ids of images of the ground truth, got {_some(unknown)}",
                where=self.where,
            )
        return sorted(set(rows.values()))

    def find(self, refs: Sequence[ImageRef]) -> tuple[dict[int, int], list[int | str]]:
        """Find images by id, by the number that an id spells, or by file name.

        Returns:
            index in `refs` -> index in `images`, and the ids not found.
        """
        by_id: dict[object, int] = {name: i for i, name in enumerate(self.images)}
        by_name = {Path(n).name: i for i, n in enumerate(self.names) if n}
        by_stem = {Path(n).stem: i for i, n in enumerate(self.names) if n}
        by_text = {str(name): i for i, name in enumerate(self.images)}
        rows: dict[int, int] = {}
        unknown: list[int | str] = []
        for i, ref in enumerate(refs):
            text = Path(str(ref.id)).name
            digits = str(int(text)) if text.isdecimal() else text
            row = by_id.get(ref.id, by_text.get(digits))
            for name in (ref.file_name, text):
                if row is None and name:
                    row = by_name.get(Path(name).name, by_stem.get(Path(name).stem))
            if row is None:
                unknown.append(ref.id)
            else:
                rows[i] = row
        return rows, unknown


def read_ground_truth(
    source: str | Path | Mapping[str, Any] | Poses, skeleton: Skeleton | None = None
) -> GroundTruth:
    """Read ground truth from a COCO keypoint file, its parsed content, or poses.

    Args:
        source: COCO keypoint annotations, or `Poses` whose scores are the flags v = 0, 1, 2.
        skeleton: taken where the categories name no joints.

    Raises:
        FormatError: not COCO annotations, or a record that cannot be used.
        SkeletonError: no category with joints.
    """
    if isinstance(source, Poses):
        return _from_poses(source)
    where = "ground truth"
    data: Any = source
    if not isinstance(source, Mapping):
        where = str(source)
        data = parse_json(read_bytes(source), where)
    if not isinstance(data, Mapping) or not all(
        isinstance(data.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise FormatError(
            "expected COCO annotations: an object with lists `images`, `annotations`, `categories`",
            where=where,
            hint="predictions as A.json and annotations as --gt"
            if isinstance(data, list)
            else None,
        )
    category, table = _category(data["categories"], skeleton, where)
    images = {}
    for record in data["images"]:
        if not isinstance(record, Mapping) or not isinstance(record.get("id"), int | str):
            raise FormatError("expected images with an `id`", where=where)
        if record["id"] in images:
            raise FormatError(f"expected image ids once, got {record['id']} twice", where=where)
        images[record["id"]] = str(record.get("file_name") or "")
    order = sorted(images, key=lambda i: (isinstance(i, str), i))
    index = {name: i for i, name in enumerate(order)}
    persons, guessed, seen = [], 0, set()
    for number, record in enumerate(data["annotations"]):
        at = f"{where}, annotation {number}"
        if not isinstance(record, Mapping):
            raise FormatError("expected an object", where=at)
        if record.get("category_id") != category:
            continue
        if record.get("image_id") not in index:
            raise FormatError(
                f"expected an image_id out of `images`, got {record.get('image_id')!r}", where=at
            )
        person = _person(record, len(table), at) | {"image": index[record["image_id"]]}
        person.setdefault("id", number + 1)
        if person["id"] in seen:
            raise FormatError(f"expected annotation ids once, got {person['id']} twice", where=at)
        seen.add(person["id"])
        guessed += "area" not in record
        persons.append(person)
    names = tuple(images[i] for i in order)
    return GroundTruth(table, tuple(order), names, tuple(persons), guessed, where)


def _category(records: list[Any], given: Skeleton | None, where: str) -> tuple[Any, Skeleton]:
    found = [c for c in records if isinstance(c, Mapping) and c.get("keypoints")]
    if len(found) == 1:
        return found[0].get("id"), skeleton_from_category(found[0], where)
    if not found and given is not None and len(records) == 1:
        return records[0].get("id"), given
    raise SkeletonError(
        f"expected one category with names of `keypoints`, got {len(found)}",
        where=where,
        hint=None if found else "--sigmas with the skeleton that the file lacks",
    )


def _person(record: Mapping[str, Any], k: int, at: str) -> dict[str, Any]:
    """Return a copy with everything that pycocotools reads."""
    try:
        points = np.array(record.get("keypoints") or [0.0] * 3 * k, np.float64)
        box = [float(v) for v in record.get("bbox") or ()]
        area = float(record["area"]) if "area" in record else None
    except (TypeError, ValueError):
        raise FormatError("expected numbers in keypoints, bbox and area", where=at) from None
    if points.shape != (3 * k,):
        raise FormatError(f"expected {3 * k} numbers in keypoints, got {points.size}", where=at)
    flags = points[2::3]
    if len(box) != 4 and (area is None or not (flags > 0).any()):
        raise FormatError("expected a bbox x, y, width, height", where=at)
    if area is None:
        area = BOX_FRACTION * box[2] * box[3]
    if not (np.isfinite(points).all() and np.isfinite([*box, area]).all()):
        raise FormatError("expected finite numbers in keypoints, bbox and area", where=at)
    return {
        **record,
        "keypoints": points,
        "num_keypoints": record.get("num_keypoints", int((flags > 0).sum())),
        "bbox": box or [0.0] * 4,
        "area": area,
        "iscrowd": record.get("iscrowd", 0),
    }


def _from_poses(poses: Poses) -> GroundTruth:
    flags = poses.score if poses.score_kind == "flag" else 2.0 * poses.present
    points = np.concatenate([np.nan_to_num(poses.xy), flags[:, :, None]], 2)
    order = sorted(
        range(len(poses.images)),
        key=lambda i: (isinstance(poses.images[i].id, str), poses.images[i].id),
    )
    rank = np.argsort(order)
    persons = []
    for i, row in enumerate(points):
        record = {"id": i + 1, **poses.extra[i], "keypoints": row.ravel().tolist()}
        if poses.box is not None and np.isfinite(poses.box[i]).all():
            x0, y0, x1, y1 = poses.box[i].tolist()
            record["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        if poses.area is not None and np.isfinite(poses.area[i]):
            record["area"] = float(poses.area[i])
        person = _person(record, len(poses.skeleton), f"ground truth, pose {i}")
        persons.append(person | {"image": int(rank[poses.image[i]])})
    guessed = 0 if poses.area is None else int(np.isnan(poses.area).sum())
    return GroundTruth(
        poses.skeleton,
        tuple(poses.images[i].id for i in order),
        tuple(poses.images[i].file_name or "" for i in order),
        tuple(persons),
        len(poses) if poses.area is None else guessed,
    )


def as_skeleton(poses: Poses, target: Skeleton) -> Floats:
    """Return the positions (N, K, 2) of the joints of `target`, NaN where poses lack one.

    Raises:
        SkeletonError: no joint in common.
    """
    if poses.skeleton == target:
        return poses.xy
    index, quality = target.map_from(poses.skeleton)
    if set(quality) == {"none"}:
        raise SkeletonError(
            f"expected poses of skeleton {target.name!r}, got {poses.skeleton.name!r}, "
            "which shares no joint with it"
        )
    return np.where((index >= 0)[:, None], poses.xy[:, index], np.nan)


def place(poses: Poses, gt: GroundTruth, *, strict: bool) -> tuple[Indices, int]:
    """Return the index in `gt.images` of every pose, -1 where unknown, and how many those are.

    Raises:
        FormatError: `strict`, and an image with poses is unknown.
    """
    used = sorted(set(poses.image.tolist()))
    rows, unknown = gt.find([poses.images[i] for i in used])
    if unknown and strict:
        raise FormatError(
            f"expected predictions on images of {gt.where}, got image ids {_some(unknown)}",
            hint="the ground truth of these images, or --keep-going to leave them out",
        )
    where = np.full(len(poses.images), -1)
    for i, row in rows.items():
        where[used[i]] = row
    image = where[poses.image] if len(poses) else np.zeros(0, np.intp)
    return image, int((image < 0).sum())


def finite_scores(poses: Poses) -> Floats:
    """Return the instance scores.

    Raises:
        ArrayError: a score that is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(poses.instance_score))
    if len(bad):
        raise ArrayError(
            f"expected a finite instance score for every pose, {len(bad)} of {len(poses)} have "
            "none: average precision ranks poses by it",
            where=f"pose {bad[0]}",
            hint="`refine run`, which writes scores",
        )
    return poses.instance_score


def _some(ids: Sequence[object]) -> str:
    if not ids:
        return "none"
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(repr, ids[:5])) + more
