"""Persons on pictures to train with, of one or several data sets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Bools
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.persons import Persons
from refine.exceptions import FormatError, RefineError
from refine.files import read_bytes
from refine.oks import BOX_FRACTION
from refine.poses import Poses
from refine.refiner.image.crops import Picture, Stored, find_pictures
from refine.refiner.image.pictures import look_at, tell
from refine.refiner.pose.simulate import training_persons
from refine.skeletons import Skeleton, skeleton as find_skeleton


@dataclass(frozen=True, slots=True)
class Labelled:
    """Persons with pictures.

    Attributes:
        persons: N persons in the body's K joints.
        pictures: file of every image that `persons.image` numbers.
        exif: of every picture, whether its EXIF orientation is applied.
    """

    persons: Persons
    pictures: tuple[Stored, ...]
    exif: tuple[bool, ...]


def read_sets(path: Path) -> list[dict[str, Any]]:
    """Read which data sets to train on: a TOML file of ``[[set]]`` tables.

    Keys of a set: ``annotations`` and ``images`` (a file and a folder, from the TOML's folder on;
    or tables and tar files, of which a name may stand for many: `refine.files.matching_files`), and
    optionally ``repeat`` (times per epoch), ``boxes`` (true where areas are those of boxes),
    ``skeleton``, ``category`` (the only one whose persons count), ``exif`` (true where the
    annotations are of pictures that were turned as their EXIF says) and, for eyes, ``predictions``
    (files of what networks say of the same images).

    Raises:
        FormatError: not TOML, or other keys.
    """
    try:
        sets = tomllib.loads(read_bytes(path).decode("utf-8")).get("set", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected TOML, got: {error}", where=str(path)) from None
    if not isinstance(sets, list) or not sets:
        raise FormatError("expected at least one [[set]] table, got none", where=str(path))
    known = {"annotations", "images", "repeat", "boxes", "skeleton"}
    known |= {"category", "exif", "predictions"}
    out = []
    for i, table in enumerate(sets):
        if not {"annotations", "images"} <= set(table) <= known:
            raise FormatError(
                f"expected the keys annotations and images, perhaps {', '.join(sorted(known))}, "
                f"got {', '.join(sorted(table))}",
                where=f"{path}, set {i + 1}",
            )
        files = {k: str(path.parent / table[k]) for k in ("annotations", "images")}
        told = table.get("predictions", [])
        told = [str(path.parent / file) for file in ([told] if isinstance(told, str) else told)]
        out.append({**table, **files, **({"predictions": told} if told else {})})
    return out


def read_labelled(sets: list[dict[str, Any]], body: Skeleton) -> Labelled:
    """Read data sets and join them; images without a picture are left out.

    Args:
        sets: as of `read_sets`.
        body: joints that the image-free refiner knows.

    Raises:
        FormatError: a file that cannot be read.
        RefineError: no picture in a set's folder, or no person on any picture.
    """
    parts = [p for s in sets for p in [_read_set(s, body)] * int(s.get("repeat", 1))]
    start = np.cumsum([0] + [len(p.pictures) for p in parts])
    persons = [p.persons for p in parts]
    if not sum(len(p) for p in persons):
        raise RefineError("expected persons on pictures, got none", hint="the images folder")
    joined = Persons.concat(
        [replace(p, image=p.image + s) for p, s in zip(persons, start, strict=False)]
    )
    return Labelled(
        joined,
        tuple(path for p in parts for path in p.pictures),
        tuple(exif for p in parts for exif in p.exif),
    )


def _read_set(table: Mapping[str, Any], body: Skeleton) -> Labelled:
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
    place = {joint: i for i, joint in enumerate(truth.skeleton.joints)}
    columns = np.array([place.get(joint, -1) for joint in body.joints], np.intp)
    xy = np.where(columns[:, None] < 0, np.nan, persons.xy[:, columns])
    labelled: Bools = np.asarray(np.isfinite(xy).all(-1))
    persons = replace(
        persons,
        xy=np.where(labelled[..., None], xy, np.nan),
        visible=np.where(labelled, persons.visible[:, columns], 0).astype(np.int8),
        area=persons.area * (BOX_FRACTION if table.get("boxes") else 1.0),
        image=number[persons.image],
        image_size=sizes[persons.image],
    )
    pictures = tuple(p for p in paths if isinstance(p, Stored))
    return Labelled(persons[np.flatnonzero(labelled.any(1))], pictures, (exif,) * len(pictures))
