"""Images and categories: which poses the truth would not know, or know twice."""

from collections import defaultdict

import numpy as np

from refine._types import Indices
from refine.categories import categories_of
from refine.checks.finding import OUT, Finding, Subject, named
from refine.evaluation.ground_truth import listed
from refine.images import find_images

MAX_DETS = 20
"""Poses per image that COCO counts (pycocotools.cocoeval.Params.setKpParams)."""


def unknown_images(s: Subject) -> list[Finding]:
    """Images that the truth lacks, and those whose ids are the digits of its names."""
    if s.truth is None:
        return []
    used = np.bincount(s.poses.image, minlength=len(s.known)) > 0
    lost = np.flatnonzero((s.known < 0) & used)
    refs, names = [s.poses.images[i] for i in lost], [ref.file_name for ref in s.truth.images]
    rows = find_images(refs, names, where=s.truth.where)
    pairs = {
        ref.id: s.truth.ids[row] for ref, row in zip(refs, rows, strict=True) if row is not None
    }
    gone = lost[[row is None for row in rows]]
    return _by_digits(s, pairs) + (_unknown(s, gone, int(used.sum())) if len(gone) else [])


def _by_digits(s: Subject, pairs: dict[int | str, int | str]) -> list[Finding]:
    if not pairs:
        return []
    return [
        Finding(
            "images-by-digits",
            f"{len(pairs)} images have ids that {s.gt} lacks, but that are the digits of its file "
            "names",
            "a tool that takes the number in a file name for the id",
            "",
            s.mending(f"ids={s.gt}"),
            **named([f"{a!r} is {b!r}" for a, b in pairs.items()]),
            figures={"mapping": {str(a): b for a, b in pairs.items()}},
        )
    ]


def _unknown(s: Subject, gone: Indices, used: int) -> list[Finding]:
    assert s.truth is not None
    ids = [s.poses.images[i].id for i in gone]
    lost = int(np.isin(s.poses.image, gone).sum())
    return [
        Finding(
            "unknown-images",
            f"{len(gone)} of {used} images, with {lost} poses, are not in {s.gt}, whose ids "
            f"are like {listed(s.truth.ids[:1])}; neither id nor file name is found",
            "annotations of another split or data set, or ids that a tool numbered itself",
            "the annotations of the split that was predicted on; the command leaves the others out",
            s.mending(f"only={s.gt}"),
            **named(ids),
        )
    ]


def images_by_name(s: Subject) -> list[Finding]:
    """Images whose id is none of the truth's, but whose name is."""
    if s.truth is None:
        return []
    ids = s.truth.ids
    pairs = {
        ref.id: ids[row]
        for ref, row in zip(s.poses.images, s.known.tolist(), strict=True)
        if row >= 0 and (ref.id != ids[row] or type(ref.id) is not type(ids[row]))
    }
    if not pairs:
        return []
    return [
        Finding(
            "images-by-name",
            f"{len(pairs)} images have another id than in {s.gt} and were found by file name or "
            "number",
            "a tool that names images by file; pycocotools drops such poses or refuses them",
            "refine eval finds them; other tools need the ids",
            s.mending(f"ids={s.gt}"),
            **named([f"{a!r} is {b!r}" for a, b in pairs.items()]),
            figures={"mapping": {str(a): b for a, b in pairs.items()}},
        )
    ]


def images_twice(s: Subject) -> list[Finding]:
    """Images that stand in the file under two ids."""
    places = defaultdict(list)
    for ref, row in zip(s.poses.images, s.known.tolist(), strict=True):
        key = row if row >= 0 else ref.file_name
        places[str(ref.id) if key is None else key].append(ref.id)
    twice = [ids for ids in places.values() if len(ids) > 1]
    if not twice:
        return []
    return [
        Finding(
            "images-twice",
            f"{len(twice)} images stand under several ids",
            "files of several runs put together, or ids both as numbers and as file names",
            "one id for each image",
            (*s.mending(f"ids={s.gt}"), f"refine nms {OUT} -o {OUT}") if s.truth else (),
            **named([" and ".join(map(repr, ids)) for ids in twice]),
        )
    ]


def crowded_images(s: Subject) -> list[Finding]:
    """Images with more poses than COCO counts."""
    counts = np.bincount(s.poses.image, minlength=len(s.poses.images))
    full = np.flatnonzero(counts > MAX_DETS)
    if not len(full):
        return []
    lost = int((counts[full] - MAX_DETS).sum())
    return [
        Finding(
            "more-than-20",
            f"{len(full)} images have more than {MAX_DETS} poses, at most {counts.max()}; COCO "
            f"counts the best {MAX_DETS} of each, {lost} are not looked at",
            "a low score threshold, or duplicates",
            f"refine eval --max-dets {counts.max()} counts them all",
            (f"refine nms {s.where} --max-poses {MAX_DETS} -o {OUT}",),
            **named([f"image {s.poses.images[i].id!r}: {counts[i]}" for i in full]),
        )
    ]


def wrong_categories(s: Subject) -> list[Finding]:
    """Categories that the truth does not have, and rows without one among others that do."""
    found = categories_of(s.poses)
    kinds = list(dict.fromkeys(found))
    ours = () if s.truth is None else s.truth.categories
    strange = {c for c in kinds if c is not None and ours and None not in ours and c not in ours}
    if None in kinds and len(kinds) > 1:
        strange.add(None)
    rows = [i for i, c in enumerate(found) if c in strange]
    if not rows:
        return []
    told = ", ".join("none" if c is None else repr(c) for c in kinds if c in strange)
    against = f"; persons of {s.gt} are of {listed(ours)}" if ours else ""
    return [
        Finding(
            "categories",
            f"{len(rows)} of {len(found)} poses are of category {told}{against}",
            "a detector's class counted from 0 in the place of COCO's category 1, or boxes of "
            "other things among the poses",
            "which keeps those of the category",
            (f"refine convert {s.where} --category {ours[0] if ours else 1} -o {OUT}",),
            **s.at(rows),
        )
    ]
