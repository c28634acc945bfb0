"""Images and categories: which poses the truth would not know, or know twice."""

from collections import defaultdict

import numpy as np

from refine.categories import categories_of
from refine.checks.finding import Finding, Subject, named
from refine.evaluation.ground_truth import listed

MAX_DETS = 20
"""Poses per image that COCO counts (pycocotools.cocoeval.Params.setKpParams)."""


def unknown_images(s: Subject) -> list[Finding]:
    """Images that the truth lacks."""
    if s.truth is None:
        return []
    used = np.bincount(s.poses.image, minlength=len(s.known)) > 0
    gone = np.flatnonzero((s.known < 0) & used)
    if not len(gone):
        return []
    ids = [s.poses.images[i].id for i in gone]
    lost = int(np.isin(s.poses.image, gone).sum())
    return [
        Finding(
            "unknown-images",
            f"{len(gone)} of {used.sum()} images, with {lost} poses, are not in {s.gt}, whose ids "
            f"are like {listed(s.truth.ids[:1])}; neither id nor file name is found",
            "annotations of another split or data set, or ids that a tool numbered itself",
            f"refine eval --gt OTHER.json {s.where}, or --keep-going to leave these poses out",
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
            f"refine eval --gt {s.gt} {s.where} finds them; other tools need the ids: "
            f"refine convert {s.where} --to alphapose -o A.json, then "
            f"refine convert A.json --sizes {s.gt} --to coco -o OUT.json",
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
            f"refine nms {s.where} -o OUT.json once each image has one id",
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
            f"refine nms {s.where} -o OUT.json, or refine eval --max-dets {counts.max()}",
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
            f"refine convert {s.where} --category {ours[0] if ours else 1} -o OUT.json keeps those "
            "of the category",
            **s.at(rows),
        )
    ]
