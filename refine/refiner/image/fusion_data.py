"""What fusions learn from: annotated persons on pictures, and what networks said of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from refine._types import Floats
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.exceptions import RefineError
from refine.formats import read
from refine.geometry import Crop
from refine.oks import pairwise_oks
from refine.poses import Poses
from refine.refiner.eyes.eye import Eye, see
from refine.refiner.fusion.examples import Seen
from refine.refiner.fusion.train import FusionData
from refine.refiner.fusion.view import Grid
from refine.refiner.image.crops import find_pictures
from refine.refiner.image.pictures import look_at, tell
from refine.refiner.image.streaming import stream_crops
from refine.refiner.pose.boxes import crop_boxes
from refine.refiner.pose.refiner import Refiner
from refine.refiner.prediction import CropQuery
from refine.skeletons import skeleton as find_skeleton

MATCHED = 0.3
"""Least OKS of a prediction and the person that it is of."""
WORKERS = 2
"""Threads that read pictures."""


def read_fusion_data(
    sets: Sequence[Mapping[str, Any]],
    eye: Eye,
    refiner: Refiner,
    report: Callable[[str, int], None] | None = None,
) -> FusionData:
    """Let an eye look at annotated persons and at the predictions of networks for them.

    Args:
        sets: as of `refine.refiner.image.annotations.read_sets`.
        eye: to look.
        refiner: image-free.
        report: called with the name of what was looked at, and its number of poses.

    Raises:
        FormatError: a file that cannot be read.
        RefineError: no picture in a set's folder.
    """
    persons: list[Seen] = []
    sources: list[Seen] = []
    for table in sets:
        given = table.get("skeleton")
        truth = read_ground_truth(
            table["annotations"],
            find_skeleton(given) if given else None,
            category=table.get("category"),
        )
        poses = _annotated(truth)
        files = [("", poses)] + [
            (Path(file).name.split(".")[0], read(file)) for file in table.get("predictions", ())
        ]
        for name, told in files:
            seen = _see_all(name, told, poses, table, eye, refiner)
            (sources if name else persons).append(seen)
            if report:
                report(name or str(table["annotations"]), len(seen.truth))
    return FusionData(persons, sources, eye.weights)


def _annotated(truth: GroundTruth) -> Poses:
    """Return the annotated persons as poses."""
    people = truth.persons[truth.persons.labelled.any(1) & ~truth.persons.crowd]
    return Poses.from_arrays(
        truth.skeleton, people.xy, image=people.image, images=truth.images, area=people.area
    )


def _see_all(
    name: str, poses: Poses, truth: Poses, table: Mapping[str, Any], eye: Eye, refiner: Refiner
) -> Seen:
    paths = list(find_pictures(table["images"], poses.images))
    # Annotations are of pictures as they are stored (COCO's are), whoever turns them later.
    exif = bool(table.get("exif", False))
    sight = look_at(poses, paths, exif=exif)
    tell(sight if "exif" in table else replace(sight, otherwise=0), exif=exif)
    there = np.array([p is not None for p in sight.pictures], np.bool_)
    rows = there[poses.image] & poses.present.any(1)
    if not rows.any():
        raise RefineError(
            f"expected pictures of {name or table['annotations']}, got none",
            where=str(table["images"]),
        )
    poses = sight.poses[np.flatnonzero(rows)]
    scene = refiner.scene(poses)
    belief = refiner.believe_scene(scene)
    crop = Crop.from_box(crop_boxes(scene, belief), eye.size, padding=eye.padding)
    joints = [j for j in refiner.skeleton.joints if j in eye.joints]
    which = [eye.joints.index(j) for j in joints]
    heat: torch.Tensor | None = None
    everyone = np.arange(len(poses))
    for some, crops in stream_crops(
        poses.image, everyone, sight.pictures, crop, WORKERS, exif=exif
    ):
        found = see(eye, crops, mirrored=True)[:, which]
        if heat is None:
            heat = torch.empty((len(poses), *found.shape[1:]), dtype=torch.float16)
        heat[torch.from_numpy(some)] = torch.from_numpy(found).half()
    assert heat is not None
    return Seen(
        name=name,
        query=CropQuery(poses, scene, belief, crop),
        heat=heat,
        grid=Grid(eye.stride, eye.offset, heat.shape[3], heat.shape[2]),
        joints=np.array([refiner.skeleton.index(j) for j in joints], np.intp),
        truth=_matched(poses, truth, refiner),
    )


def _matched(poses: Poses, truth: Poses, refiner: Refiner) -> Floats:
    """Return the joints (N, J, 2) of the person that every pose is of, NaN where there is none.

    Several poses may be of one person: it is not evaluation.
    """
    body = refiner.skeleton
    sigmas = body.require_sigmas()
    mine, theirs = (body.take(p.xy, p.skeleton) for p in (poses, truth))
    rows_of = {ref.id: rows for ref, rows in truth.by_image()}
    assert truth.area is not None
    out = np.full(mine.shape, np.nan)
    for ref, rows in poses.by_image():
        people = rows_of.get(ref.id)
        if people is None or not len(mine[rows]) or not len(theirs[people]):
            continue
        area = truth.area[people]
        oks = pairwise_oks(theirs[people], mine[rows], area, sigmas, missing="zero")
        best = oks.argmax(0)
        found = oks[best, np.arange(oks.shape[1])] > MATCHED
        out[rows] = np.where(found[:, None, None], theirs[people][best], np.nan)
    return out
