"""Persons on pictures to train with: named joints of several data sets, each with its trust."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.persons import Persons
from refine.exceptions import FormatError, RefineError
from refine.files import read_bytes
from refine.formats import read
from refine.oks import BOX_FRACTION
from refine.poses import Poses
from refine.refiner.image.crops import Picture, find_pictures
from refine.refiner.image.pictures import look_at, tell
from refine.refiner.pose.simulate import training_persons
from refine.skeletons import Skeleton, skeleton as find_skeleton

AGREE = 0.1
"""A teacher agrees with a label within this share of the joint box's diagonal."""
SURE = 0.7
"""A teacher as sure as this is right nine times in ten (`AGREE`), more often than a crowd worker
who says otherwise."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Persons with pictures.

    Attributes:
        persons: N persons in the body's K joints.
        trust: (N, K) in [0, 1]; 0 where not labelled.
        extra: (N, E, 2) px of joints that the body lacks, NaN where not labelled.
        extra_trust: (N, E).
        pictures: path of every image that `persons.image` numbers.
        exif: of every picture, whether its EXIF orientation is applied.
    """

    persons: Persons
    trust: Floats
    extra: Floats
    extra_trust: Floats
    pictures: tuple[Path, ...]
    exif: tuple[bool, ...]


def read_sets(path: Path) -> list[dict[str, Any]]:
    """Read which data sets to train on: a TOML file of ``[[set]]`` tables.

    Keys of a set: ``annotations`` and ``images`` (a file and a folder, from the TOML's folder on),
    and optionally ``teacher`` (predictions for the same images), ``repeat`` (times per epoch),
    ``boxes`` (true where areas are those of boxes), ``skeleton``, ``category`` (the only one whose
    persons count), ``exif`` (true where the annotations are of pictures that were turned as their
    EXIF says) and, for eyes, ``predictions`` (files of what networks say of the same images).

    Raises:
        FormatError: not TOML, or other keys.
    """
    try:
        sets = tomllib.loads(read_bytes(path).decode("utf-8")).get("set", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected TOML, got: {error}", where=str(path)) from None
    if not isinstance(sets, list) or not sets:
        raise FormatError("expected at least one [[set]] table, got none", where=str(path))
    known = {"annotations", "images", "teacher", "repeat", "boxes", "skeleton"}
    known |= {"category", "exif", "predictions"}
    out = []
    for i, table in enumerate(sets):
        if not {"annotations", "images"} <= set(table) <= known:
            raise FormatError(
                f"expected the keys annotations and images, perhaps {', '.join(sorted(known))}, "
                f"got {', '.join(sorted(table))}",
                where=f"{path}, set {i + 1}",
            )
        files = {
            k: str(path.parent / table[k])
            for k in ("annotations", "images", "teacher")
            if k in table
        }
        told = table.get("predictions", [])
        told = [str(path.parent / file) for file in ([told] if isinstance(told, str) else told)]
        out.append({**table, **files, **({"predictions": told} if told else {})})
    return out


def read_labelled(sets: list[dict[str, Any]], body: Skeleton, extra: tuple[str, ...]) -> Labelled:
    """Read data sets and join them; images without a picture are left out.

    Args:
        sets: as of `read_sets`.
        body: joints that the image-free refiner knows.
        extra: names of the joints that it does not.

    Raises:
        FormatError: a file that cannot be read.
        RefineError: no picture in a set's folder, or no person on any picture.
    """
    parts = [p for s in sets for p in [_read_set(s, body, extra)] * int(s.get("repeat", 1))]
    start = np.cumsum([0] + [len(p.pictures) for p in parts])
    persons = [p.persons for p in parts]
    if not sum(len(p) for p in persons):
        raise RefineError("expected persons on pictures, got none", hint="the images folder")
    joined = Persons.concat(
        [replace(p, image=p.image + s) for p, s in zip(persons, start, strict=False)]
    )
    return Labelled(
        joined,
        np.concatenate([p.trust for p in parts]),
        np.concatenate([p.extra for p in parts]),
        np.concatenate([p.extra_trust for p in parts]),
        tuple(path for p in parts for path in p.pictures),
        tuple(exif for p in parts for exif in p.exif),
    )


def _read_set(table: Mapping[str, Any], body: Skeleton, extra: tuple[str, ...]) -> Labelled:
    given = table.get("skeleton")
    truth = read_ground_truth(
        table["annotations"],
        find_skeleton(given) if given else None,
        category=table.get("category"),
    )
    paths: list[Picture | None] = list(find_pictures(table["images"], truth.images))
    there = np.array([p is not None for p in paths], np.bool_)
    if not there.any():
        name = truth.images[0].file_name or truth.images[0].id if truth.images else "none"
        raise RefineError(
            f"expected pictures of the {len(paths)} images of {table['annotations']}, got none",
            where=str(table["images"]),
            hint=f"the folder that holds {name}",
        )
    # Annotations are of pictures as they are stored (COCO's are), unless the set says otherwise.
    exif = bool(table.get("exif", False))
    sight = look_at(Poses.empty(truth.skeleton, truth.images), paths, exif=exif)
    for name, reason in sight.unread.items():
        raise FormatError(
            f"expected a picture, got: {reason}", where=str(Path(table["images"]) / name)
        )
    tell(sight if "exif" in table else replace(sight, otherwise=0), exif=exif)
    paths, sizes = sight.pictures, sight.poses.image_sizes
    there = np.array([p is not None for p in paths], np.bool_)
    pictured = truth.persons[there[truth.persons.image]]
    persons = training_persons(replace(truth, persons=pictured))
    number = np.cumsum(there) - 1
    own, more = _columns(truth.skeleton, body.joints), _columns(truth.skeleton, extra)
    xy, beyond = _pick(persons.xy, own), _pick(persons.xy, more)
    trust = np.asarray(np.isfinite(xy).all(-1), np.float64)
    extra_trust = np.asarray(np.isfinite(beyond).all(-1), np.float64)
    if "teacher" in table:
        teacher_xy, sure = _teacher_poses(read(table["teacher"]), truth, persons, body)
        xy, trust = merge_with_teacher(xy, teacher_xy, sure, persons.box)
        # Who errs in many joints errs in those that nobody can check, too.
        shared = own >= 0
        extra_trust *= trust[:, shared].mean(1, keepdims=True)
    labelled: Bools = np.asarray(trust > 0)
    visible = 2 if "teacher" in table else _pick(persons.visible, own)
    persons = replace(
        persons,
        xy=np.where(labelled[..., None], xy, np.nan),
        visible=np.where(labelled, visible, 0).astype(np.int8),
        area=persons.area * (BOX_FRACTION if table.get("boxes") else 1.0),
        image=number[persons.image],
        image_size=sizes[persons.image],
    )
    rows = np.flatnonzero(labelled.any(1))
    pictures = tuple(p for p in paths if isinstance(p, Path))
    return Labelled(
        persons[rows],
        trust[rows],
        beyond[rows],
        extra_trust[rows],
        pictures,
        (exif,) * len(pictures),
    )


def merge_with_teacher(
    xy: Floats, teacher_xy: Floats, sure: Floats, box: Floats
) -> tuple[Floats, Floats]:
    """Join labels with those of a teacher network.

    Where both agree the teacher's place is taken, whose definition of a joint is that of the data
    it learned from. Where they do not, a sure teacher is believed by half, else the label by a
    third. Joints without a label count by how sure the teacher is, from .3 (nothing) to .7.

    Args:
        xy: (N, K, 2) labels, NaN where there is none.
        teacher_xy: (N, K, 2) of the teacher, NaN where there is none.
        sure: (N, K) its confidence.
        box: (N, 4) xyxy of the labels, px.

    Returns:
        xy (N, K, 2) and trust (N, K) in [0, 1].

    >>> label, box = np.array([[[10.0, 10.0]]]), np.array([[0.0, 0.0, 60.0, 80.0]])
    >>> place, trust = merge_with_teacher(label, label + 50, np.array([[0.9]]), box)
    >>> place.tolist(), trust.tolist()
    ([[[60.0, 60.0]]], [[0.5]])
    """
    labelled, known = np.isfinite(xy).all(-1), np.isfinite(teacher_xy).all(-1)
    diagonal = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])[:, None]
    near = np.hypot(*np.moveaxis(xy - teacher_xy, -1, 0)) <= AGREE * diagonal
    agree = labelled & known & near
    dissent = labelled & known & ~near
    alone = known & ~labelled
    take = agree | alone | (dissent & (sure > SURE))
    trust: Floats = np.select(
        [agree, dissent & (sure > SURE), labelled, alone],
        [1.0, 0.5, 1 / 3, np.clip((sure - 0.3) / (SURE - 0.3), 0, 1)],
        0.0,
    )
    return np.where(take[..., None], teacher_xy, xy), trust


def _teacher_poses(
    teacher: Poses, truth: GroundTruth, persons: Persons, body: Skeleton
) -> tuple[Floats, Floats]:
    """Return the teacher's pose (N, K, 2) and confidence (N, K) for every person, by image."""
    columns = _columns(teacher.skeleton, body.joints)
    row = {ref.id: i for i, ref in enumerate(teacher.images)}
    first = {int(image): i for i, image in reversed(list(enumerate(teacher.image)))}
    ids = [truth.images[i].id for i in persons.image]
    pick = np.array([first.get(row.get(i, -1), -1) for i in ids], np.intp)
    found = (pick >= 0)[:, None]
    sure = np.where(found, np.nan_to_num(_pick(teacher.score, columns)[pick]), 0.0)
    return np.where(found[..., None], _pick(teacher.xy, columns)[pick], np.nan), sure


def _columns(skeleton: Skeleton, joints: tuple[str, ...]) -> Indices:
    place = {joint: i for i, joint in enumerate(skeleton.joints)}
    return np.array([place.get(j, -1) for j in joints], np.intp)


def _pick(values: npt.NDArray[Any], columns: Indices) -> Floats:
    """Take joints by column; NaN (or 0 for whole numbers) where there is none."""
    out = np.asarray(values, np.float64)[:, columns]
    out[:, columns < 0] = np.nan if values.dtype.kind == "f" else 0
    return out
