"""What of poses a format has no place for, counted by the names in `Format.cannot_hold`."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from refine._types import Floats
from refine.formats._keypoints import kind_after
from refine.formats.base import Format, Holding, Loss
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton, skeleton_names

TELLING = frozenset({"unknown", "none"})
"""Kinds of scores that say nothing, so that nothing is lost with them."""


def count_losses(poses: Poses, form: Format, held: Holding | None = None) -> dict[Loss, int]:
    """Count what is lost by writing poses in a format; what they do not have cannot be lost.

    Args:
        poses: any.
        form: the format.
        held: in which way; None is the usual one. Files of a folder are named after the images.
    """
    own = poses.meta.get("format") == form.name
    kept = _Kept(form, held or form.holdings[0], own=own)
    counts = {loss: COUNTERS[loss](poses, kept) for loss in form.cannot_hold}
    return {loss: count for loss, count in counts.items() if count}


def tell_losses(lost: Mapping[Loss, int], form: Format) -> str:
    """Say what was lost, for people."""
    told = [f"{n} {WORDS[loss][n != 1]}" for loss, n in lost.items()]
    return f"{', '.join(told)} left out: {form.name} cannot hold them"


class _Kept:
    """What a format keeps of images, and whether its history tells of what kind scores are.

    What came in a format goes back in it: images that it numbers, and fields that are its own.
    """

    def __init__(self, form: Format, held: Holding, *, own: bool) -> None:
        self.own = own
        self.fields = {"category_id", *((form.fields | form.private) if own else ())}
        self.ids = "image ids" not in form.cannot_hold
        self.names = "image names" not in form.cannot_hold or held == "folder"
        self.flags = "keypoint scores" in form.cannot_hold
        self.history = "history" not in form.cannot_hold


def _same(ref: ImageRef) -> bool:
    """Whether either of an image's name and id tells the other, as 139 and 000139.jpg do."""
    if ref.file_name is None:
        return True
    stem = Path(ref.file_name).stem
    number = str(int(stem)) if stem.isascii() and stem.isdecimal() else stem
    return str(ref.id) in (ref.file_name, stem, number)


def _ids(poses: Poses, kept: _Kept) -> int:
    # Without ids and names, images are numbered from 0.
    return sum(
        not (_same(ref) if kept.names else ref.id == place)
        for place, ref in enumerate(poses.images)
    )


def _names(poses: Poses, kept: _Kept) -> int:
    named = [ref for ref in poses.images if ref.file_name is not None]
    return sum(not ((kept.ids or kept.names) and _same(ref)) for ref in named)


def _frames(poses: Poses, kept: _Kept) -> int:
    numbered = kept.ids or not kept.names
    told = [(ref.id if kept.ids else i, ref.frame) for i, ref in enumerate(poses.images)]
    return sum(f is not None and not (numbered and str(i) == str(f)) for i, f in told)


def _rate(poses: Poses, kept: _Kept) -> int:
    # What else a file tells of its video goes back into a file of its format.
    return int(poses.meta.get("fps") is not None and not kept.own)


def _joint_scores(poses: Poses, kept: _Kept) -> int:
    # Formats that hold no scores hold flags.
    flags = poses.score_kind == "flag" and kept.flags
    return 0 if flags else int((np.isfinite(poses.score) & poses.present).sum())


def _kind(poses: Poses, kept: _Kept) -> int:
    told = kept.history and kind_after(poses.history, "unknown") == poses.score_kind
    flags = poses.score_kind == "flag" and kept.flags
    return int(poses.score_kind not in TELLING and not told and not flags)


def _rows(values: Floats | None) -> int:
    if values is None:
        return 0
    return int(np.isfinite(values).all(tuple(range(1, values.ndim))).sum())


def _fields(poses: Poses, kept: _Kept) -> int:
    held = [*poses.extra, *(ref.extra for ref in poses.images)]
    return sum(len(fields.keys() - kept.fields) for fields in held)


def _strange(poses: Poses, kept: _Kept) -> int:
    body = poses.skeleton
    return int(body.name not in skeleton_names() or skeleton(body.name) != body)


COUNTERS: dict[Loss, Callable[[Poses, _Kept], int]] = {
    "image ids": _ids,
    "image names": _names,
    "image sizes": lambda poses, _: sum(ref.width is not None for ref in poses.images),
    "frame numbers": _frames,
    "frames per second": _rate,
    "images without poses": lambda poses, kept: (
        0 if kept.own else len(poses.images) - len(np.unique(poses.image))
    ),
    "keypoint scores": _joint_scores,
    "score kind": _kind,
    "instance scores": lambda poses, _: _rows(poses.instance_score),
    "boxes": lambda poses, _: _rows(poses.box),
    "areas": lambda poses, _: _rows(poses.area),
    "tracks": lambda poses, _: 0 if poses.track is None else int((poses.track >= 0).sum()),
    "unknown fields": _fields,
    "history": lambda poses, _: len(poses.history),
    "skeletons that do not ship": _strange,
}
"""How many of each loss poses suffer."""

WORDS: dict[Loss, tuple[str, str]] = {
    "image ids": ("image id", "image ids"),
    "image names": ("image name", "image names"),
    "image sizes": ("image size", "image sizes"),
    "frame numbers": ("frame number", "frame numbers"),
    "frames per second": ("rate of frames", "rates of frames"),
    "images without poses": ("image without poses", "images without poses"),
    "keypoint scores": ("keypoint score", "keypoint scores"),
    "score kind": ("kind of scores", "kinds of scores"),
    "instance scores": ("instance score", "instance scores"),
    "boxes": ("box", "boxes"),
    "areas": ("area", "areas"),
    "tracks": ("track id", "track ids"),
    "unknown fields": ("unknown field", "unknown fields"),
    "history": ("step of the history", "steps of the history"),
    "skeletons that do not ship": ("skeleton of one's own", "skeletons of one's own"),
}
"""One of each loss, and several, in words."""
