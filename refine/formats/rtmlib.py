"""What rtmlib returns, as NumPy arrays in .npz or .npy, or as lists in JSON.

`keypoints` (N, K, 2) px and `scores` (N, K) of an image, or (T, N, K, 2) and (T, N, K) of frames;
rtmlib/tools/pose_estimation. Joints of no score above 0 were not found, though they have places
(post_processings.py puts them at -1 before it scales them); RTMO tells of nobody by a person of
zeros. What is written here has beside these `image` (N,), the number of the image of each pose
among `image_ids`, `boxes` (N, 4) xyxy, `pose_scores` (N,) and `track_ids` (N,).
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refine._types import Floats, Indices
from refine.exceptions import FormatError
from refine.formats._arrays import NPZ, numbers_in
from refine.formats._images import id_array, image_id, stem
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import flat
from refine.formats._records import describe
from refine.formats._rows import fours
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Page, Source, Verdict
from refine.poses import ImageRef, Poses

KEYPOINTS = ("keypoints", "kpts", "kps", "arr_0", "")
SCORES = ("scores", "keypoint_scores", "arr_1")
"""Names of arrays, the usual first; np.savez counts those that have none."""

IMAGE, IDS = "image", "image_ids"
COLUMNS = ("boxes", "pose_scores", "track_ids")


class Arrays(NamedTuple):
    """What a document holds of N poses.

    Attributes:
        values: (N, K, 3) x, y, score.
        image: index into `refs` of each.
        refs: the images.
        columns: arrays of `COLUMNS`, NaN where there is none.
        rest: names of arrays that are not read.
        bare: whether no images are named, as in what rtmlib returns.
    """

    values: Floats
    image: Indices
    refs: list[ImageRef]
    columns: dict[str, Floats]
    rest: list[str]
    bare: bool


def read_rtmlib(source: Source, options: Options) -> Poses:
    """Read the poses of an image, of frames, or of a folder with a file per image.

    Raises:
        FormatError: arrays that are missing, or of other shapes.
        SkeletonError: see `skeleton_of`.
    """
    pages = source.pages()
    parts = [_arrays(page) for page in pages]
    places = [
        f"{page.where}, pose {i}"
        for page, part in zip(pages, parts, strict=True)
        for i in range(len(part.values))
    ]
    shapes = {part.values.shape[1] for part in parts if len(part.values)}
    if len(shapes) > 1:
        raise FormatError(
            f"expected files of one number of joints, got {sorted(shapes)}", where=source.path
        )
    starts = np.cumsum([0, *(len(part.refs) for part in parts)])[:-1]
    image = np.concatenate([p.image + at for p, at in zip(parts, starts, strict=True)])
    values = np.concatenate(
        [p.values.reshape(len(p.values), max(shapes, default=0), 3) for p in parts]
    )
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in COLUMNS}
    theirs = np.concatenate([np.full(len(p.values), p.bare) for p in parts])
    nobody = (values == 0).all((1, 2)) & theirs
    kept = np.flatnonzero(~nobody)
    values = values[kept]
    unseen = (values[..., 2] <= 0) & (values[..., :2] != 0).any(-1) & theirs[kept, None]
    values[unseen, :2] = np.nan
    ids = columns["track_ids"][kept, 0].tolist()
    rows: list[Any] = [{} if each != each else {"track_id": each} for each in ids]
    refs = [ref for part in parts for ref in part.refs]
    found = Instances(rows, image[kept].tolist(), refs, [places[i] for i in kept.tolist()], {})
    boxes = columns["boxes"][kept]
    lists = [None if np.isnan(box).all() else box.tolist() for box in boxes]
    box = fours(lists, "boxes", found.where)
    poses = poses_of(
        found, values, options, Facts(frozenset(), columns["pose_scores"][kept, 0], box)
    )
    rest = dict.fromkeys(name for part in parts for name in part.rest)
    notes = [f"arrays that are not read: {', '.join(rest)}"] if rest else []
    if nobody.any():
        notes.append(f"{nobody.sum()} persons of zeros, RTMO's word for nobody: no poses")
    if unseen.any():
        notes.append(f"{unseen.sum()} joints without a score above 0: missing")
    extra = tuple({k: v for k, v in row.items() if k != HALVES} for row in poses.extra)
    plain = not (isinstance(pages[0].document, dict) and NPZ in pages[0].document)
    return poses.replace(extra=extra, meta={**poses.meta, "notes": tuple(notes), "plain": plain})


def write_rtmlib(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write an archive of all images, or one per image for a folder.

    Raises:
        FormatError: ids of images that are numbers and texts.
    """
    k = len(poses.skeleton)
    values = np.array(flat(poses, precision), np.float64).reshape(len(poses), k, 3)
    arrays: dict[str, Any] = {KEYPOINTS[0]: values[..., :2]}
    if poses.score_kind != "none":
        arrays[SCORES[0]] = values[..., 2]
    if poses.box is not None:
        arrays["boxes"] = poses.box
    if np.isfinite(poses.instance_score).any():
        arrays["pose_scores"] = poses.instance_score
    if poses.track is not None:
        arrays["track_ids"] = poses.track
    if held == "folder":
        return [
            _held({name: a[of] for name, a in arrays.items()} | {IDS: id_array([ref])}, poses)
            for ref, of in poses.by_image()
        ]
    return _held({**arrays, IMAGE: poses.image, IDS: id_array(poses.images)}, poses)


def _held(arrays: dict[str, Any], poses: Poses) -> Document:
    return arrays if poses.meta.get("plain") else {NPZ: arrays}


def _arrays(page: Page) -> Arrays:
    document: Any = page.document
    held = document.get(NPZ, document) if isinstance(document, dict) else None
    name = next((n for n in KEYPOINTS if isinstance(held, dict) and n in held), None)
    if name is None or not isinstance(held, dict):
        got = ", ".join(map(repr, held))[:200] if isinstance(held, dict) else describe(held)
        raise FormatError(
            f"expected arrays 'keypoints' (N, K, 2) and 'scores' (N, K), got {got or 'none'}",
            where=page.where,
        )
    points = numbers_in(held[name], name, page.where)
    told = next((n for n in SCORES if n in held), None)
    scores = None if told is None else numbers_in(held[told], told, page.where)
    points = points.reshape(0, 0, 2) if not points.size else points
    points = points[None] if points.ndim == 2 else points
    frames = points.shape[0] if points.ndim == 4 else 0
    if points.ndim not in (3, 4) or points.shape[-1] not in ((2, 3) if scores is None else (2,)):
        raise FormatError(
            f"expected keypoints (N, K, 2) px, or (T, N, K, 2) of frames, got {points.shape}",
            where=page.where,
            hint="x and y as the last axis, scores as an array of their own",
        )
    n, k = int(np.prod(points.shape[:-2])), points.shape[-2]
    if scores is not None and scores.size != n * k:
        raise FormatError(
            f"expected scores {points.shape[:-1]} for keypoints {points.shape}, got {scores.shape}",
            where=page.where,
        )
    third = np.full((n, k, 1), np.nan) if scores is None else scores.reshape(n, k, 1)
    values = points.reshape(n, k, points.shape[-1])
    values = values if values.shape[-1] == 3 else np.concatenate([values, third], -1)
    image, refs = _images(held, n, frames, page)
    columns = {name: _column(held, name, n, page.where) for name in COLUMNS}
    rest = [each for each in held if each not in (name, told, IMAGE, IDS, *COLUMNS)]
    return Arrays(values, image, refs, columns, rest, IDS not in held)


def _images(
    held: dict[str, Any], n: int, frames: int, page: Page
) -> tuple[Indices, list[ImageRef]]:
    if frames:
        return np.repeat(np.arange(frames), n // frames), [
            ImageRef(t, frame=t) for t in range(frames)
        ]
    ids = held.get(IDS)
    if ids is None:
        name = Path(stem(str(page.name)))
        refs = [ImageRef(name.stem if name.suffix in (".npz", ".npy") else str(name))]
    else:
        listed = ids.tolist() if isinstance(ids, np.ndarray) else ids
        listed = listed if isinstance(listed, list) else [listed]
        refs = [ImageRef(image_id(each, page.where)) for each in listed]
    image = _column(held, IMAGE, n, page.where)[:, 0]
    image = np.zeros(n) if IMAGE not in held else image
    if not ((image % 1 == 0) & (image >= 0) & (image < max(len(refs), 1))).all():
        raise FormatError(
            f"expected 'image' to number the {len(refs)} images of 'image_ids' from 0 on",
            where=page.where,
        )
    return image.astype(np.intp), refs


def _column(held: dict[str, Any], name: str, n: int, where: str) -> Floats:
    """Return an array (N, 4) of boxes, or (N, 1) of numbers, NaN where there is none."""
    width = 4 if name == COLUMNS[0] else 1
    if held.get(name) is None:
        return np.full((n, width), np.nan)
    found = numbers_in(held[name], name, where)
    if found.shape != (n, width) and (width > 1 or found.shape != (n,)):
        raise FormatError(f"expected {name!r} of {n} poses, got {found.shape}", where=where)
    return found.reshape(n, width)


def _is_rtmlib(document: Document) -> Verdict:
    if not isinstance(document, dict):
        return Verdict.NO
    held = document.get(NPZ)
    if isinstance(held, dict):
        return Verdict.YES if any(name in held for name in KEYPOINTS) else Verdict.NO
    lists = all(isinstance(document.get(name), list) for name in (KEYPOINTS[0], SCORES[0]))
    return Verdict.YES if lists and "labels" not in document else Verdict.NO


FORMATS = (
    Format(
        name="rtmlib",
        about="rtmlib's keypoints and scores as NumPy arrays: .npz, .npy, or lists in JSON",
        tells="arrays 'keypoints' and 'scores'",
        detect=_is_rtmlib,
        read=read_rtmlib,
        write=write_rtmlib,
        holdings=("document", "folder"),
        private=frozenset({HALVES}),
        ending=".npz",
        cannot_hold=(
            "image names",
            "image sizes",
            "frame numbers",
            "score kind",
            "areas",
            "unknown fields",
            "history",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
