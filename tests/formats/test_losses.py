"""What a format says that it cannot hold is what does not come back, no more and no less."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import refine
from refine.exceptions import SkeletonError
from refine.formats import FORMATS, losses, read, write
from refine.formats._losses import COUNTERS, WORDS
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
    video = poses.replace(track=np.array([6]), meta={"fps": 25.0})
    return video.replace(extra=({"note": "x"},)).done("suppress")


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
        "frames per second": before.meta["fps"] == after.meta.get("fps"),
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


def crowd(body):
    """Three people on two of three images, which have numbers, names, sizes and frames."""
    k = len(body)
    poses = refine.Poses.from_arrays(
        body,
        np.arange(2.0, 6 * k + 2).reshape(3, k, 2),
        np.full((3, k), 0.5),
        instance_score=[0.5, np.nan, 0.25],
        image=[0, 0, 1],
        images=[refine.ImageRef(i, f"x{i}.jpg", 640, 480, frame=i + 1) for i in (7, 8, 9)],
        score_kind="peak",
        box=[[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8]],
        area=[5.0, 6.0, np.nan],
    )
    extra = ({"note": "x", "category_id": 1}, {}, {"note": "y", "more": 2})
    video = poses.replace(track=np.array([6, -1, 8]), meta={"fps": 25.0})
    return video.replace(extra=extra).done("suppress")


COUNTS = {
    "image ids": 3,
    "image names": 3,
    "image sizes": 3,
    "frame numbers": 3,
    "frames per second": 1,
    "images without poses": 1,
    "keypoint scores": None,
    "score kind": 1,
    "instance scores": 2,
    "boxes": 2,
    "areas": 2,
    "tracks": 2,
    "unknown fields": 3,
    "history": 1,
}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_what_is_lost_is_counted(form):
    poses = crowd(form.example().skeleton)
    expected = {**COUNTS, "keypoint scores": 3 * len(poses.skeleton)}
    told = {loss: expected[loss] for loss in form.cannot_hold if loss in expected}
    assert losses(poses, form.name) == told
    own = refine.Skeleton("own", ("tail", "left_ear", "right_ear"), ())
    assert losses(crowd(own), form.name).keys() == set(form.cannot_hold)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_of_what_was_read_from_a_format_it_loses_nothing(form, tmp_path):
    before = everything(form.example().skeleton)
    after = through(before, form, tmp_path, before.skeleton)
    assert losses(after, form.name) == {}


def test_what_a_format_gives_its_images_is_not_lost_in_it():
    read_back = crowd(refine.skeleton("coco17")).replace(meta={"format": "alphapose", "fps": 25.0})
    read_back = read_back.replace(extra=({"idx": 3}, {"note": 1}, {}))
    assert "images without poses" not in losses(read_back, "alphapose")
    assert losses(read_back, "yolo")["unknown fields"] == 2


def test_counters_and_words_are_there_for_every_loss():
    assert COUNTERS.keys() == WORDS.keys() == set(get_args(Loss))


def test_kinds_of_scores_that_histories_tell_are_not_lost():
    poses = refine.Poses.from_arrays("coco17", np.ones((1, 17, 2)), np.ones((1, 17)))
    refined = poses.replace(score_kind="expected_ks").done("complete")
    assert losses(refined, "coco") == {}
    assert losses(refined, "yolo") == {"score kind": 1, "history": 1}
    flags = poses.replace(score_kind="flag")
    assert losses(flags, "coco-gt") == {}
    assert losses(flags, "csv") == {"score kind": 1}


def test_a_folder_names_its_files_after_the_images(tmp_path):
    poses = refine.Poses.empty("coco17", [refine.ImageRef(3, "cam/a.jpg"), refine.ImageRef("b")])
    assert losses(poses, "controlnet") == {"image ids": 2, "image names": 1}
    assert losses(poses, "controlnet", f"{tmp_path}/out/") == {"image ids": 1, "image names": 1}
    assert losses(poses, "coco") == {"image names": 1, "images without poses": 2}


def test_verbs_say_what_is_lost(cli, tmp_path):
    refine.write(crowd(refine.skeleton("coco17")), tmp_path / "in.ndjson")
    out = tmp_path / "out.csv"
    for verb in ("convert", "nms"):
        result = cli(verb, tmp_path / "in.ndjson", "-o", out, "--to", "csv", "--json")
        assert f"{out}: 1 kind of scores, 3 unknown fields, 1 rate of frames left out" in result.err
        assert json.loads(result.out)["lost"] == {
            "score kind": 1,
            "unknown fields": 3,
            "frames per second": 1,
        }
