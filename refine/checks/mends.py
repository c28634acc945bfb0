"""What mends a file of poses: functions by the names that `refine convert --mend` takes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from refine._types import Floats
from refine.checks.pictures import MIRRORED, look_at_pictures, upright
from refine.exceptions import RefineError
from refine.files import parse_json, read_bytes
from refine.formats._images import read_images
from refine.formats._unlabelled import halves_apart
from refine.geometry import keypoint_box
from refine.images import find_images
from refine.poses import Poses

WITHIN = 0.9
"""Share of the joints that must lie in their poses' boxes for boxes to move with them: else they
are those of another frame already."""

Move = Callable[[Floats, Floats], Floats]
"""From places (N, M, 2) and sizes of their images (N, 1, 2), in px, to places."""


class Mend(NamedTuple):
    """One way of mending: what it does, how, and what its value is called, "" for none."""

    about: str
    apply: Callable[[Poses, str], Poses]
    value: str = ""


def mend(poses: Poses, how: str) -> Poses:
    """Mend poses.

    Args:
        poses: any.
        how: a name in `MENDS`, and its value behind "=" if it takes one.

    Raises:
        RefineError: no such name, or a value that is none.
        FormatError: a file or folder that cannot be read, or images without sizes.

    >>> poses = Poses.from_arrays("coco17", [[[1, 2]] * 17])
    >>> mend(poses, "shift=0.5,-1").xy[0, 0].tolist()
    [1.5, 1.0]
    """
    name, equals, value = how.partition("=")
    if name not in MENDS or bool(equals) != bool(MENDS[name].value):
        known = [f"{n}={m.value}" if m.value else n for n, m in MENDS.items()]
        raise RefineError(f"expected a way of mending, got {how!r:.80}", hint=", ".join(known))
    return MENDS[name].apply(poses, value)


def _moved(poses: Poses, move: Move, *, sized: bool = True) -> Poses:
    """Move joints, and boxes where they are theirs; areas change as much as boxes do."""
    sizes = poses.image_sizes[poses.image][:, None]
    unknown = np.flatnonzero(np.isnan(sizes).any((1, 2)))
    if sized and len(unknown):
        raise RefineError(
            f"expected the size of image {poses.images[poses.image[unknown[0]]].id!r}, got none",
            hint="--sizes FILE.json",
        )
    box, area = poses.box, poses.area
    if box is not None and _are_around(box, poses.xy):
        corners = move(box.reshape(-1, 2, 2), sizes)
        new = np.concatenate([corners.min(1), corners.max(1)], 1)
        if area is not None:
            before, after = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (box, new))
            ratio = np.divide(after, before, out=np.ones(len(box)), where=before > 0)
            area = area * np.where(np.isfinite(ratio), ratio, 1.0)
        box = new
    return poses.replace(xy=move(poses.xy, sizes), box=box, area=area)


def _are_around(box: Floats, xy: Floats) -> bool:
    known = np.isfinite(xy).all(-1) & np.isfinite(box).all(1, keepdims=True)
    inside = np.all((xy >= box[:, None, :2]) & (xy <= box[:, None, 2:]), axis=-1)
    return int((known & inside).sum()) >= WITHIN * max(int(known.sum()), 1)


def _numbers(text: str, count: int) -> Floats:
    """Return as many finite numbers; one stands for all.

    Raises:
        RefineError: text that is none.
    """
    try:
        found = np.array([float(part) for part in text.split(",")])
    except ValueError:
        found = np.empty(0)
    if len(found) not in (1, count) or not np.isfinite(found).all():
        what = "a number" if count == 1 else "one or two numbers"
        raise RefineError(f"expected {what}, got {text!r:.40}", hint="--mend shift=0.5,-0.5")
    return np.broadcast_to(found, count)


def _positive(text: str, count: int) -> Floats:
    found = _numbers(text, count)
    if not (found > 0).all():
        raise RefineError(f"expected numbers above 0, got {text!r:.40}")
    return found


def _swap_sides(poses: Poses, _: str) -> Poses:
    mirror = poses.skeleton.mirror
    return poses.replace(xy=poses.xy[:, mirror], score=poses.score[:, mirror])


def _mirror(poses: Poses, _: str) -> Poses:
    return _moved(poses, lambda xy, size: np.stack([size[..., 0] - 1 - xy[..., 0], xy[..., 1]], -1))


def _turn(poses: Poses, way: str) -> Poses:
    orientation = TURNS.get(way)
    if orientation is None:
        raise RefineError(f"expected a turn, got {way!r:.40}", hint=" or ".join(TURNS))
    return _moved(poses, lambda xy, size: upright(xy, size, orientation))


TURNS = {"right": 6, "left": 8, "half": 3}
"""Orientations of EXIF that turn a picture so."""


def _letterbox(poses: Poses, text: str) -> Poses:
    frame = _positive(text, 2)

    def move(xy: Floats, size: Floats) -> Floats:
        scale = (frame / size).min(-1, keepdims=True)
        return np.asarray((xy - (frame - size * scale) / 2) / scale)

    return _moved(poses, move)


def _longer_side(poses: Poses, text: str) -> Poses:
    side = _positive(text, 1)
    return _moved(poses, lambda xy, size: xy * (size.max(-1, keepdims=True) / side))


def _upright(poses: Poses, folder: str) -> Poses:
    """Turn poses on pictures that EXIF turns from the picture as stored to the upright one."""
    seen = look_at_pictures(Path(folder), poses.images)
    way, size = seen.orientation[poses.image], seen.sizes[poses.image][:, None]
    for orientation in sorted(set(way.tolist()) - {1}):
        turn = partial(_turned, orientation=orientation, size=size)
        turned = _moved(poses, turn, sized=False)
        turned = _swap_sides(turned, "") if orientation in MIRRORED else turned
        rows, box = (way == orientation)[:, None], poses.box
        if box is not None and turned.box is not None:
            box = np.where(rows, turned.box, box)
        poses = poses.replace(
            xy=np.where(rows[..., None], turned.xy, poses.xy),
            score=np.where(rows, turned.score, poses.score),
            box=box,
        )
    return poses


def _turned(xy: Floats, _: Floats, *, orientation: int, size: Floats) -> Floats:
    return upright(xy, size, orientation)


def _missing_scores(poses: Poses, _: str) -> Poses:
    extra = [dict(row) for row in poses.extra]
    for row in extra:
        halves_apart(row)
    score = np.where(~poses.present & (poses.score > 0), 0.0, poses.score)
    return poses.replace(score=score, extra=tuple(extra))


def _boxes(poses: Poses, _: str) -> Poses:
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box
    good = np.all(box[:, 2:] - box[:, :2] > 0, axis=1, keepdims=True)
    return poses.replace(box=np.where(good, box, keypoint_box(poses.xy)))


def _ids(poses: Poses, path: str) -> Poses:
    """Give images the ids of a COCO file, found as everywhere, else by the digits of names."""
    known = read_images(parse_json(read_bytes(path), path), path)
    names = [ref.file_name for ref in known]
    rows = find_images(poses.images, names, [ref.id for ref in known], where=path)
    digits = find_images(poses.images, names, where=path)
    images = list(poses.images)
    for i, (row, by_digits) in enumerate(zip(rows, digits, strict=True)):
        at = by_digits if row is None else row
        if at is not None:
            images[i] = replace(images[i], id=known[at].id, file_name=known[at].file_name)
    return poses.replace(images=tuple(images))


def _only(poses: Poses, path: str) -> Poses:
    known = read_images(parse_json(read_bytes(path), path), path)
    names, ids = [ref.file_name for ref in known], [ref.id for ref in known]
    rows = find_images(poses.images, names, ids, where=path)
    kept = [i for i, row in enumerate(rows) if row is not None]
    place = np.full(len(rows), -1)
    place[kept] = np.arange(len(kept))
    some = poses[place[poses.image] >= 0]
    return some.replace(image=place[some.image], images=tuple(poses.images[i] for i in kept))


MENDS: dict[str, Mend] = {
    "swap-xy": Mend(
        "x and y change places", lambda p, _: _moved(p, lambda xy, _: xy[..., ::-1], sized=False)
    ),
    "swap-sides": Mend("left and right joints change places", _swap_sides),
    "mirror": Mend("the picture is mirrored", _mirror),
    "turn": Mend("the picture is turned", _turn, "right|left|half"),
    "upright": Mend("pictures that EXIF turns are turned, as a folder has them", _upright, "DIR"),
    "scale": Mend(
        "places times factors",
        lambda p, v: _moved(p, lambda xy, _: xy * _positive(v, 2), sized=False),
        "FX,FY",
    ),
    "shift": Mend(
        "places plus px",
        lambda p, v: _moved(p, lambda xy, _: xy + _numbers(v, 2), sized=False),
        "DX,DY",
    ),
    "from-size": Mend(
        "from pictures of one size to the images' own",
        lambda p, v: _moved(p, lambda xy, size: xy * (size / _positive(v, 2))),
        "W,H",
    ),
    "from-longer-side": Mend("from pictures with one longer side", _longer_side, "PX"),
    "letterbox": Mend("from pictures scaled and padded into a frame", _letterbox, "W,H"),
    "missing-scores": Mend("joints without a place get score 0", _missing_scores),
    "boxes": Mend("poses without a box get that of their joints", _boxes),
    "ids": Mend("ids of a COCO file, by names or their digits", _ids, "GT.json"),
    "only": Mend("only images of a COCO file", _only, "GT.json"),
}
"""By name; what each does to poses."""
