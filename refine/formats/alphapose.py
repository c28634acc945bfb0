"""AlphaPose results: the default list, and the objects by image name of ``--format cmu, open``.

AlphaPose: alphapose/utils/pPose_nms.py, write_json. `score` is the mean keypoint score + box score
+ 1.25 x the best, which exceeds 1. The joints of cmu and open are OpenPose's 18; their neck is
appended at value 51, which is right for networks of 17 joints only: for Halpe's it is the head.
"""

from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.formats import _history
from refine.formats._keypoints import Options
from refine.formats._rows import describe, read_rows, write_rows
from refine.formats.openpose import BODY, Person, people_by_image, poses_from_people
from refine.poses import ImageRef, Poses

FIELDS = {"cmu": ("bodies", "joints"), "open": ("people", BODY)}
"""The list of persons and the keypoints of one."""

NECK_OFF = 0.1
"""Distance between neck and middle of the shoulders, in shoulder widths, above which joint 1 is
another one; AlphaPose computes it to the last digit."""


def read_alphapose(document: Any, options: Options) -> Poses:
    """Read the default form; 17 joints are COCO's, 26 and 136 Halpe's, 133 COCO-WholeBody's."""
    return read_rows(document, options, "box")


def write_alphapose(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write the default form; `box` where there is one."""
    return write_rows(poses, precision, "box", {"category_id": 1})


def read_cmu(document: Any, options: Options) -> Poses:
    """Read ``--format cmu``."""
    return _read(document, options, "cmu")


def read_open(document: Any, options: Options) -> Poses:
    """Read ``--format open``."""
    return _read(document, options, "open")


def write_cmu(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write ``--format cmu``."""
    return _write(poses, precision, "cmu")


def write_open(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write ``--format open``."""
    return _write(poses, precision, "open")


def _read(document: Any, options: Options, kind: str) -> Poses:
    if not isinstance(document, dict):
        raise FormatError(
            f"expected an object by image name, got {describe(document)}", where=options.where
        )
    people, field = FIELDS[kind]
    refs: list[ImageRef] = []
    rows: list[Person] = []
    histories, wheres = [], []
    for name, content in document.items():
        where = f"{options.where}, image {name!r}"
        found = content.get(people) if isinstance(content, dict) else None
        if not isinstance(found, list):
            raise FormatError(f"expected an object with a list {people!r}", where=where)
        for i, person in enumerate(found):
            at = f"{where}, person {i}"
            if not isinstance(person, dict) or person.get(field) is None:
                raise FormatError(
                    f"expected an object with {field!r}, got {person!r:.40}", where=at
                )
            row = {key: v for key, v in person.items() if key != field} | {BODY: person[field]}
            rows.append(Person(row, len(refs), at))
        own = (people, _history.FIELD)
        refs.append(ImageRef(name, name, extra={k: v for k, v in content.items() if k not in own}))
        histories.append(content.get(_history.FIELD))
        wheres.append(where)
    history = _history.agree(histories, wheres.__getitem__)
    poses = poses_from_people(rows, refs, options, history)
    return poses.replace(meta={**poses.meta, "notes": _notes(poses)})


def _write(poses: Poses, precision: int | None, kind: str) -> dict[str, Any]:
    people, field = FIELDS[kind]
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    out: dict[str, Any] = {}
    groups = people_by_image(poses, precision, {})
    for ref, group in zip(poses.images, groups, strict=True):
        name = str(ref.id)
        if name in out:
            raise FormatError(f"expected images of different names, got {name!r} twice")
        rows = [{field if key == BODY else key: v for key, v in row.items()} for row in group]
        version = {} if ref.extra or _is_own(poses) else {"version": "AlphaPose v0.3"}
        out[name] = {**version, **ref.extra, people: rows, **steps}
    return out


def _is_own(poses: Poses) -> bool:
    return str(poses.meta.get("format")).startswith("alphapose-")


def _notes(poses: Poses) -> tuple[str, ...]:
    if poses.skeleton.name != "openpose18" or not len(poses):
        return ()
    neck, right, left = (
        poses.xy[:, poses.skeleton.index(joint)]
        for joint in ("neck", "right_shoulder", "left_shoulder")
    )
    width = np.linalg.norm(right - left, axis=1)
    off = np.linalg.norm(neck - (right + left) / 2, axis=1)
    known = np.isfinite(off)
    if not known.any() or np.median(off[known]) <= NECK_OFF * np.median(width[known]) + 1:
        return ()
    return (
        "joint 1 is not the middle of the shoulders: AlphaPose puts the head there for "
        "networks of more than 17 joints",
    )
