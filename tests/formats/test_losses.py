"""What a format says that it cannot hold is what does not come back, no more and no less."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import refine
from refine.exceptions import SkeletonError
from refine.formats import FORMATS, read, write
from refine.formats.base import Loss


def everything(body):
    """Two images, the second of them empty, and a person who has all that there is."""
    xy = np.arange(2.0, 2 * len(body) + 2).reshape(1, len(body), 2)
    poses = refine.Poses.from_arrays(
        body,
        xy,
        np.linspace(0.25, 0.75, len(body))[None].round(3),
        instance_score=[0.5],
        images=[refine.ImageRef(i, f"x{i}.jpg", 640, 480, frame=i) for i in (7, 8)],
        score_kind="peak",
        box=[[1, 2, 3, 4]],
        area=[5.0],
    )
    return poses.replace(track=np.array([6]), extra=({"note": "x"},)).done("suppress")


def through(poses, form, folder, skeleton):
    path = folder / ("out" if form.holdings[0] == "folder" else "out.json")
    write(poses, path, form.name)
    sizes = folder / "sizes.json"
    images = [
        {"id": Path(ref.file_name).stem, "width": ref.width, "height": ref.height}
        for ref in poses.images
    ]
    sizes.write_text(json.dumps({"images": images}))
    told = sizes if form.shares and "image sizes" in form.cannot_hold else None
    after = read(path, form.name, skeleton=skeleton, images=told)
    bare = tuple(replace(ref, width=None, height=None) for ref in after.images)
    return after.replace(images=bare) if told else after


def lost(before, after):
    old, new = (poses.images[poses.image[0]] for poses in (before, after))
    same = {
        "image ids": str(old.id) == str(new.id),
        "image names": old.file_name == new.file_name or Path(old.file_name).stem == new.id,
        "image sizes": (old.width, old.height) == (new.width, new.height),
        "frame numbers": old.frame == new.frame,
        "images without poses": len(before.images) == len(after.images),
        "keypoint scores": np.array_equal(before.score, after.score),
        "score kind": before.score_kind == after.score_kind,
        "instance scores": np.array_equal(before.instance_score, after.instance_score),
        "boxes": after.box is not None and np.array_equal(before.box, after.box),
        "tracks": after.track is not None and np.array_equal(before.track, after.track),
        "unknown fields": after.extra[0].get("note") == "x",
        "history": after.history == before.history,
        "areas": after.area is not None and np.array_equal(before.area, after.area),
    }
    assert np.array_equal(before.xy, after.xy)
    return {name for name, kept in same.items() if not kept}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_what_is_lost_is_what_is_said(form, tmp_path):
    before = everything(form.example().skeleton)
    own = refine.Skeleton("own", ("tail", "left_ear", "right_ear"), ())
    found = lost(before, through(before, form, tmp_path, before.skeleton))
    (tmp_path / "own").mkdir()
    try:
        body = through(everything(own), form, tmp_path / "own", None).skeleton
        told = body.joints == own.joints
    except SkeletonError:
        told = False
    found |= set() if told else {"skeletons that do not ship"}
    assert found == set(form.cannot_hold)
    assert set(form.cannot_hold) <= set(get_args(Loss))
