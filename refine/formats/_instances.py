"""Records of one pose each that stand in a list per image; the images are told by place or file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats._images import stem
from refine.formats._keypoints import flat, joints, kind_after, no_joints, skeleton_of
from refine.formats._records import describe
from refine.formats._rows import extras, tracks
from refine.formats._unlabelled import FIELD as HALVES, carry_halves, put_back
from refine.formats.base import Document, Holding, Options, Source
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton


@dataclass(frozen=True, slots=True)
class Instances:
    """N records and where they stand.

    Attributes:
        rows: one per pose.
        image: index into `refs` of each.
        refs: the images, those without records too.
        places: of each row, for messages.
        meta: what `hold_instances` needs.
    """

    rows: list[Any]
    image: list[int]
    refs: list[ImageRef]
    places: list[str]
    meta: Mapping[str, Any]

    def where(self, i: int) -> str:
        """Name a record for messages."""
        return self.places[i]


def instances_of(source: Source) -> Instances:
    """Return the records of one image (a list), of many (a list of lists), or of files by image.

    Raises:
        FormatError: something else.
    """
    document: Any = source.document
    listed = source.held != "folder" and isinstance(document, list)
    listed = listed and bool(document) and all(isinstance(d, list) for d in document)
    if listed:
        where = source.record("image")
        pages = [(ImageRef(i, frame=i), d, where(i)) for i, d in enumerate(document)]
    elif source.held == "folder":
        pages = [(ImageRef(stem(str(p.name))), p.document, p.where) for p in source.pages()]
    else:
        pages = [(ImageRef(stem(source.path)), document, source.path)]
    rows, image, places = [], [], []
    for i, (_, group, at) in enumerate(pages):
        if not isinstance(group, list):
            raise FormatError(f"expected a list of records, got {describe(group)}", where=at)
        for q, row in enumerate(group):
            if not isinstance(row, dict):
                raise FormatError(
                    f"expected an object, got {describe(row)}", where=f"{at}, record {q}"
                )
        rows += group
        image += [i] * len(group)
        places += [f"{at}, record {q}" for q in range(len(group))]
    return Instances(rows, image, [ref for ref, _, _ in pages], places, {"listed": listed})


def hold_instances(rows: Sequence[Any], poses: Poses, held: Holding) -> Document:
    """Put rows where `instances_of` found such, the counterpart."""
    groups: list[Any] = [[rows[i] for i in of.tolist()] for _, of in poses.by_image()]
    alone = held == "document" and len(groups) == 1 and not poses.meta.get("listed")
    return groups[0] if alone else groups


@dataclass(frozen=True, slots=True)
class Facts:
    """What a format read from its records beside the joints.

    Attributes:
        own: names of the fields that were read.
        score: (N,) of the poses.
        box: (N, 4) xyxy, or None.
        default: skeleton where the number of joints fits it.
    """

    own: frozenset[str]
    score: Floats
    box: Floats | None = None
    default: str = "coco17"


def poses_of(found: Instances, values: Floats, options: Options, facts: Facts) -> Poses:
    """Build poses from records and the joints (N, K, 3) read from them.

    Scores that are NaN throughout are none.

    Raises:
        FormatError: records of different histories, or coordinates beyond `FAR`.
        SkeletonError: see `skeleton_of`.
    """
    n, k = values.shape[:2]
    bare = bool(n and k and np.isnan(values[..., 2]).all())
    told = joints(values, options, found.where)
    empty = options.skeleton or options.default or skeleton(facts.default)
    body = skeleton_of(k, options, facts.default) if k else empty
    told = told if k else no_joints(n, len(body))
    history = _history.agree([row.get(_history.FIELD) for row in found.rows], found.where)
    track = tracks(found.rows)
    extra = extras(found.rows, {*facts.own, _history.FIELD}, track)
    carry_halves(extra, values, body.joints)
    meta = {**found.meta, **told.meta, "bare": bare}
    meta |= {"null_scores": False} if bare else {}
    return Poses(
        body,
        told.xy,
        told.score,
        facts.score,
        np.array(found.image, np.intp),
        tuple(found.refs),
        score_kind=kind_after(history, "none" if bare else told.kind),
        box=facts.box,
        track=track,
        history=history,
        extra=extra,
        meta=meta,
    )


Write = Callable[[int, list[float]], dict[str, Any]]
"""What a format writes of a pose, by its number and x1, y1, score1, ..., beside what is carried."""


def rows_of(poses: Poses, precision: int | None, field: str, write: Write) -> list[dict[str, Any]]:
    """Write a record per pose: what is carried, `write`'s fields, track and history.

    Args:
        poses: any.
        precision: see `rounded`.
        field: of the joints; where the source had none of a pose, it stays as it was.
        write: see `Write`.
    """
    steps = _history.encode(poses.history)
    empty = np.asarray(~poses.present.any(1))
    out = []
    for i, values in enumerate(flat(poses, precision)):
        row = dict(poses.extra[i])
        put_back(values, row.pop(HALVES, None), poses.skeleton.joints, precision)
        kept = {field: row[field]} if empty[i] and field in row else {}
        row |= write(i, values) | kept
        if poses.track is not None and poses.track[i] >= 0:
            row["track_id"] = int(poses.track[i])
        if steps:
            row[_history.FIELD] = steps
        out.append(row)
    return out
