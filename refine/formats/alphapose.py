"""AlphaPose results: the default list, and its ``--format cmu`` and ``open``.

AlphaPose: alphapose/utils/pPose_nms.py, write_json. `score` is
mean + box + 1.25 * max and exceeds 1.
"""

from typing import Any

from refine.exceptions import FormatError
from refine.formats import _history
from refine.formats._keypoints import Options
from refine.formats.coco import poses_from_rows, refs_of, result_rows, rows_from_poses
from refine.formats.openpose import BODY, documents, poses_from_people
from refine.poses import ImageRef, Poses

LISTS = {"cmu": "bodies", "open": "people"}
FIELDS = {"cmu": "joints", "open": BODY}


def read_alphapose(document: Any, options: Options) -> Poses:
    """Read the default form; 17 joints are COCO's, 26 and 136 Halpe's, 133 COCO-WholeBody's."""
    rows = result_rows(document, options)
    return poses_from_rows(rows, refs_of(rows, options), options, "coco17", "box")


def write_alphapose(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write the default form; `box` where there is one."""
    return rows_from_poses(poses, precision, "box", {"category_id": 1})


def read_cmu(document: Any, options: Options) -> Poses:
    """Read ``--format cmu``: an object by image name."""
    return _read(document, options, "cmu")


def read_open(document: Any, options: Options) -> Poses:
    """Read ``--format open``: the same with OpenPose's names."""
    return _read(document, options, "open")


def write_cmu(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write ``--format cmu``."""
    return _write(poses, precision, "cmu")


def write_open(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write ``--format open``."""
    return _write(poses, precision, "open")


def _read(document: Any, options: Options, kind: str) -> Poses:
    refs: list[ImageRef] = []
    rows, image, histories = [], [], []
    if not isinstance(document, dict):
        raise FormatError("expected an object keyed by image name", where=options.where)
    for name, content in document.items():
        where = f"{options.where}, image {name!r}"
        people = content.get(LISTS[kind]) if isinstance(content, dict) else None
        if not isinstance(people, list):
            raise FormatError(f"expected an object with a list {LISTS[kind]!r}", where=where)
        for i, person in enumerate(people):
            if not isinstance(person, dict) or FIELDS[kind] not in person:
                raise FormatError(
                    f"expected an object with {FIELDS[kind]!r}", where=f"{where}, person {i}"
                )
            row = {key: v for key, v in person.items() if key != FIELDS[kind]}
            rows.append({**row, BODY: person[FIELDS[kind]]})
            image.append(len(refs))
        own = (LISTS[kind], _history.FIELD)
        extra = {key: v for key, v in content.items() if key not in own}
        refs.append(ImageRef(name, name, extra=extra))
        histories.append((where, content.get(_history.FIELD)))
    return poses_from_people(rows, image, refs, options, _history.agree(histories))


def _write(poses: Poses, precision: int | None, kind: str) -> dict[str, Any]:
    out = {}
    for ref, document in zip(poses.images, documents(poses, precision), strict=True):
        people = []
        for person in document.pop("people"):
            keypoints = person.pop(BODY)
            if person.get("person_id") == [-1]:
                del person["person_id"]
            people.append({FIELDS[kind]: keypoints, **person})
        out[str(ref.id)] = {
            "version": "AlphaPose v0.3",
            **ref.extra,
            LISTS[kind]: people,
            **document,
        }
    return out
