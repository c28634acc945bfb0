"""AlphaPose results: the default list, and the objects by image name of ``--format cmu, open``.

PoseFlow's lists of records by image name, with `idx` and `scores`, are the default form, too.

AlphaPose: alphapose/utils/pPose_nms.py, write_json. `score` is the mean keypoint score + box score
+ 1.25 x the best, which exceeds 1. The joints of cmu and open are OpenPose's 18; their neck is
appended at value 51, which is right for networks of 17 joints only: for Halpe's it is the head.
"""

from functools import partial
from typing import Any

import numpy as np

import refine.history as _history
from refine.exceptions import FormatError
from refine.formats._images import stem
from refine.formats._person import one_person
from refine.formats._records import describe, hold, is_by_image, list_in, records
from refine.formats._rows import (
    ROW,
    first_keys,
    give_scores,
    only,
    read_rows,
    write_rows,
)
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.formats.openpose import BODY, SKELETONS, Person, people_by_image, poses_from_people
from refine.poses import ImageRef, Poses

FIELDS = {"cmu": ("bodies", "joints"), "open": ("people", BODY)}
"""The list of persons and the keypoints of one."""

NECK_OFF = 0.1
"""Distance between neck and middle of the shoulders, in shoulder widths, above which joint 1 is
another one; AlphaPose computes it to the last digit."""


def read_alphapose(source: Source, options: Options) -> Poses:
    """Read the default form; 17 joints are COCO's, 26 and 136 Halpe's, 133 COCO-WholeBody's.

    `idx` is the track. Without a tracker all are 0, which is none.
    """
    rows = records(source).rows
    found = [only(row.get("idx")) for row in rows if "idx" in row]
    field = "idx" if found else "track_id"
    poses = read_rows(source, options, "box", field)
    if len(rows) > 1 and found and all(idx == 0 for idx in found):
        notes = ("'idx' is 0 everywhere: nobody was tracked",)
        return poses.replace(track=None, meta={**poses.meta, "notes": notes})
    return poses


def write_alphapose(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write the default form; `box` where there is one."""
    field = poses.meta.get("track_field", "idx")
    defaults = {} if poses.meta.get("by_image") else {"category_id": 1}
    return hold(write_rows(poses, precision, "box", defaults, field), poses, held)


def read_by_image(source: Source, options: Options, *, form: str) -> Poses:
    """Read ``--format cmu`` or ``open``: an object by image name, or its ``sep-json`` folder.

    Raises:
        FormatError: not such an object, or a person without keypoints.
        SkeletonError: see `skeleton_of`.
    """
    people, field = FIELDS[form]
    refs: list[ImageRef] = []
    rows: list[Person] = []
    histories, wheres = [], []
    for name, content, where in _contents(source, people):
        for i, person in enumerate(list_in(content, people, where)):
            at = f"{where}, person {i}"
            if not isinstance(person, dict) or field not in person:
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
    alone = source.held == "document" and _is_content(source.document, people)
    return poses.replace(meta={**poses.meta, "notes": _notes(poses), "alone": alone})


def write_by_image(poses: Poses, precision: int | None, held: Holding, *, form: str) -> Document:
    """Write ``--format cmu`` or ``open``.

    Raises:
        FormatError: images of one name.
    """
    people, field = FIELDS[form]
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
    if held == "folder":
        return list(out.values())
    return next(iter(out.values())) if len(out) == 1 and poses.meta.get("alone") else out


def _contents(source: Source, people: str) -> list[tuple[str, Any, str]]:
    """Return the name of each image, what is told of it, and where."""
    document = source.document
    if source.held == "folder" or _is_content(document, people):
        return [(stem(str(page.name)), page.document, page.where) for page in source.pages()]
    if not isinstance(document, dict):
        raise FormatError(
            f"expected an object by image name, got {describe(document)}", where=source.path
        )
    return [(name, each, f"{source.path}, image {name!r}") for name, each in document.items()]


def _is_content(document: Document, people: str) -> bool:
    """Whether a document tells of one image, as the files of ``sep-json`` do."""
    return isinstance(document, dict) and isinstance(document.get(people), list)


def _is_own(poses: Poses) -> bool:
    return str(poses.meta.get("format")).startswith("alphapose-")


def _is_list(document: Document) -> Verdict:
    if is_by_image(document):
        return Verdict.YES
    keys = first_keys(document)
    if not {"image_id", "keypoints"} <= keys or not isinstance(document, list):
        return Verdict.NO
    # Ultralytics and others name images too, but they write a box, track or file name.
    named = isinstance(document[0]["image_id"], str) and not keys & {
        "bbox", "track_id", "file_name"
    }  # fmt: skip
    return Verdict.YES if named or keys & {"idx", "box"} else Verdict.NO


def _is_by_image(document: Document, *, form: str) -> Verdict:
    people, _ = FIELDS[form]
    if not isinstance(document, dict) or not document:
        return Verdict.NO
    if people == "bodies" and _is_content(document, people):
        # OpenPose 0.1 had `bodies`, too, beside a version that is a number.
        old = isinstance(document.get("version"), int | float)
        return Verdict.NO if old else Verdict.YES
    found = all(isinstance(each, dict) and people in each for each in document.values())
    return Verdict.YES if found else Verdict.NO


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


FORMATS = (
    Format(
        name="alphapose",
        about="AlphaPose results: a list with a record per pose",
        tells="'image_id' and 'keypoints' in a list, with 'idx', 'box' or nothing beside a name",
        detect=_is_list,
        read=read_alphapose,
        write=write_alphapose,
        holdings=("document", "lines", "folder"),
        fields=ROW | {"box", "idx"},
        private=frozenset({"keypoints", "box", "score", "area", "idx", UNLABELLED}),
        complete=give_scores,
        cannot_hold=(
            "image names",
            "image sizes",
            "frame numbers",
            "images without poses",
            "score kind",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
    *(
        Format(
            name=f"alphapose-{form}",
            about=f"AlphaPose --format {form}: an object by image name, or its sep-json folder",
            tells=f"{FIELDS[form][0]!r} under every image name",
            detect=partial(_is_by_image, form=form),
            read=partial(read_by_image, form=form),
            write=partial(write_by_image, form=form),
            holdings=("document", "folder"),
            fields=frozenset({*FIELDS[form], "person_id", "version", _history.FIELD}),
            private=frozenset({*FIELDS[form], BODY, "person_id", "version", UNLABELLED}),
            skeletons=SKELETONS,
            cannot_hold=(
                "image names",
                "image sizes",
                "frame numbers",
                "score kind",
                "instance scores",
                "boxes",
                "areas",
                "skeletons that do not ship",
                "frames per second",
            ),
            example=partial(one_person, "openpose18"),
        )
        for form in FIELDS
    ),
)
