"""Every system of the survey: what its decoder is compared with, and the largest difference seen.

    REFINE_DATA=... python -m tests.benchmarks.decode_survey

Prints a Markdown table. Transcriptions are plain loops that follow the published code; they and
the encoders, which make ideal outputs of known joints, are those of the tests. Real outputs come
from REFINE_DATA, and rows that need them are left out without it; files with reference poses are
compared from the shell in decode_all.py. OpenCV is needed, as the peer of the blurs.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from refine.decoding import (
    decode,
    decode_centernet,
    decode_dcc,
    decode_dekr,
    decode_direct_pose,
    decode_heatmaps,
    decode_movenet,
    decode_movenet_multipose,
    decode_paf,
    decode_personlab,
    decode_roi_heatmaps,
    decode_tags,
    decode_yolo_pose,
    decode_yolox_pose,
    get_preset,
    keep_best,
    raw_crops,
    raw_heatmaps,
    raw_image,
    read_raw,
)
from refine.decoding.paf.arrays import paf_limbs, paf_rules
from refine.sample import make_people
from tests.benchmarks.tasks.maps import loop_dark, loop_quarter
from tests.decoding import (
    test_centre,
    test_fused_heatmaps as test_fused,
    test_offsets,
    test_personlab,
    test_pitfalls,
    test_regression,
    test_simcc,
    test_tags,
)
from tests.oracles import (
    crops as crop_encoders,
    one_stage as one_stage_encoders,
    paf as paf_oracle,
    partition as partition_encoders,
    tags as tags_oracle,
)
from tests.parity import test_decode_heatmaps

DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))
Row = tuple[str, str, str]


def gap(ours: Any, theirs: Any) -> float:
    """Return the largest difference of numbers that both have."""
    return float(np.nanmax(np.abs(np.asarray(ours) - np.asarray(theirs)), initial=0))


def real_maps() -> Any:
    """Return all real heatmaps of one network, (N, 17, 64, 48)."""
    files = sorted((DATA / "raw" / "pp-tinypose-256x192").glob("*.npz"))
    return np.concatenate([read_raw(f).heatmaps for f in files]).astype(float) if files else None


def second_maximum(image: Any, kernel: int) -> Any:
    """Transcribe tf-cpn and MSPN on one map."""
    import cv2

    padded = cv2.GaussianBlur(np.pad(image, 10), (kernel, kernel), 0)
    y, x = np.unravel_index(padded.argmax(), padded.shape)
    padded[y, x] = 0
    v, u = np.unravel_index(padded.argmax(), padded.shape)
    step = np.array([u - x, v - y])
    moved = [x, y] + 0.25 * step / np.linalg.norm(step) - 10
    return np.clip(moved, 0, np.array(image.shape[::-1]) - 1)


def transcriptions() -> Iterator[Row]:
    """Compare the steps from maps to cells with loops, on real maps."""
    maps = real_maps()
    if maps is None:
        return
    flat = maps.reshape(-1, 1, *maps.shape[2:])
    peak = flat.max((2, 3)) > 0

    def each(function: Callable[[Any], Any]) -> Any:
        return np.array([function(image) for image in flat[:, 0]])[:, None]

    def udp(kernel: int, compat: str | None) -> Any:
        return each(lambda m: test_decode_heatmaps.dark_udp(m, kernel, compat))

    loops = {
        "hourglass, cu-net, soft-gated": (
            "pytorch-pose final_preds",
            lambda: each(test_pitfalls.transcribed_final_preds) - 1.5,
        ),
        "simple-baseline, hrnet, litehrnet": (
            "HRNet get_final_preds",
            lambda: loop_quarter(flat)[0],
        ),
        "darkpose": ("DarkPose, OpenCV blur", lambda: loop_dark(flat, 11)[0]),
        "tinypose": ("DarkPose, kernel 3", lambda: loop_dark(flat, 3)[0]),
        "udp": (
            "UDP-Pose post",
            lambda: udp(7, "udp"),
        ),
        "vitpose": (
            "mmpose UDP refinement",
            lambda: udp(11, None),
        ),
        "cpn": ("tf-cpn, OpenCV blur", lambda: each(lambda m: second_maximum(m, 21))),
        "mspn": ("MSPN, OpenCV blur", lambda: each(lambda m: second_maximum(m, 5))),
    }
    for names, (source, loop) in loops.items():
        preset = get_preset(names.split(", ")[0]).options
        ours, _ = decode_heatmaps(flat, preset.method, preset.kernel, compat=preset.compat)
        apart = np.abs(ours - loop())[peak]
        far = int((apart.max(1) > 1e-3).sum())
        note = f"{np.sort(apart.max(1))[: len(apart) - far].max(initial=0):.0e} cell"
        note += f"; {far} of {len(apart)} on flat maps more" if far else ""
        yield names, f"transcription of {source}, {len(apart):,} real maps", note


def heatmaps() -> Iterator[Row]:
    """Compare what comes back from ideal maps with the joints they were made of."""
    names = "hourglass cu-net soft-gated simple-baseline hrnet darkpose udp vitpose litehrnet"
    for name in [*names.split(), "tinypose", "cpn", "mspn", "ccm"]:
        fields, grid, crop, xy = crop_encoders.heatmaps(get_preset(name))
        own = gap(crop(decode(raw_heatmaps(fields), name).xy), xy)
        exact = gap(crop(decode(raw_heatmaps(fields), name, method="fit").xy), xy)
        fields, *_ = crop_encoders.heatmaps(get_preset(name), flip=True)
        shift = {"method": "fit", "flip_shift": grid.flip_shift}
        both = gap(crop(decode(raw_heatmaps(fields), name, **shift).xy), xy)
        told = f"{own:.4f} px; alignment {exact:.0e} px, {both:.3f} px mirrored"
        yield name, "joints encoded in ideal maps", told


def fused() -> Iterator[Row]:
    """The same of maps that are averaged, and of class maps with offsets."""
    for name in ("cfa", "prm", "cpm", "unipose"):
        sample = test_fused.Sample(name)
        scales = (1,) if name == "cfa" else test_fused.SCALES
        own = sample.error(sample.fields(scales))
        fit = sample.error(sample.fields(scales), method="fit")
        what = "joints encoded in ideal maps"
        yield name, f"{what} of {len(scales)} scales", f"{own:.2f} px; bias {fit:.3f} px"
    for name, radius in test_offsets.UDP.items():
        crop = crop_encoders.crops(crop_encoders.SIZE)
        grid = test_offsets.Grid(crop_encoders.CELLS, crop_encoders.SIZE, "corners")
        xy = crop_encoders.places(grid, 17, margin=9.0)
        apart = [
            gap(crop(decode(raw_crops({"heatmaps": maps, "affine": crop.matrix}), name).xy), xy)
            for maps in (test_offsets.combined(xy, radius, every) for every in (True, False))
        ]
        told = f"{apart[0]:.0e} px; {apart[1]:.0e} px with offsets in the disc alone"
        yield name, "joints encoded in discs and offsets", told
    size = test_offsets.GRMI_SIZE
    crop, xy = crop_encoders.crops(size), np.random.default_rng(0).uniform(45, 210, (3, 17, 2))
    apart = []
    for places in (xy.round(), xy):
        disc, offsets = test_offsets.voted(places, (33, 45))
        fields = {"heatmaps": disc, "offsets": offsets, "affine": crop.matrix}
        apart.append(gap(crop(decode(raw_crops(fields), "g-rmi").xy), places))
    told = f"{apart[0]:.0e} px on whole px, else {apart[1]:.2f} px: votes are counted a px"
    yield "g-rmi", "joints encoded in discs and offsets", told


def regression() -> Iterator[Row]:
    """The same of 1-D maps, expectations, coordinates and RoIs."""
    rng = np.random.default_rng(3)
    xy = rng.uniform((36, 36), (156, 220), (5, 17, 2))
    about = {"affine": np.tile(np.eye(2, 3), (5, 1, 1)), "input_size": test_simcc.SIZE}
    x, y = test_simcc.encode(xy)
    for name, how in (("simcc, rtmpose", "half a bin is 0.25"), ("simcc-dark", "DARK-1D")):
        fields = {"simcc_x": x, "simcc_y": y, **about}
        apart = gap(decode(raw_crops(fields), name.split(",")[0]).xy, xy)
        yield name, "joints encoded in 1-D maps", f"{apart:.4f} px; {how}"
    cells = rng.uniform((0, 0), (47, 63), (5, 17, 2))
    maps = test_regression.logits_of(test_regression.two_hot(cells))
    for name, half in (("integral", 0), ("dsnt", 1.5), ("posefix", 0), ("posefix-coarse", 0)):
        found = decode(raw_crops({"heatmaps": maps, **about}), name).xy
        yield name, "joints encoded in logits", f"{gap(found, cells * 4 + half):.0e} px"
    logits = np.zeros((1, 17, 64, 48))
    peaks = rng.integers(2, 46, (17, 2))
    logits[0, np.arange(17), peaks[:, 1], peaks[:, 0]] = 8.0
    one = {**about, "affine": [np.eye(2, 3)], "heatmaps": logits}
    found = [decode(raw_crops(one), n, **o).xy for n, o in (
        ("integral", {}), ("integral-debias", {"debias": "cells"}))]  # fmt: skip
    before, after = (gap(f[0], peaks * 4) for f in found)
    told = f"{before:.0f} px before, {after:.0e} px after (debias cells)"
    yield "integral-debias", "peaks over empty cells", told
    fields = {"coordinates": xy / test_simcc.SIZE, "sigma": np.zeros((5, 17, 2)), **about}
    yield "rle", "encoded coordinates", f"{gap(decode(raw_crops(fields), 'rle').xy, xy):.0e} px"
    marks = np.concatenate([rng.uniform(-8, 88, (3, 8, 2)), rng.normal(size=(3, 8, 3))], 2)
    maps = rng.normal(-1, 2, (3, 8, 20, 16))
    theirs = test_regression.oracle_blazepose(marks[..., :2], maps, 4.0, 7, 0.5)
    ours = test_regression.decode_blazepose(marks, maps, 4.0)[0]
    yield "blazepose", "transcription, random outputs", f"{gap(ours, theirs):.0e} px"
    maps, box = test_regression.rois()
    import torch

    apart = []
    for i in range(len(box)):
        w, h = np.maximum(box[i, 2:] - box[i, :2], 1)
        size = int(np.ceil(h)), int(np.ceil(w))
        wide = torch.nn.functional.interpolate(torch.tensor(maps[i : i + 1]), size, mode="bicubic")
        at = wide[0].reshape(17, -1).argmax(1).numpy()
        theirs = np.stack([at % size[1] + 0.5, at // size[1] + 0.5], 1) * (w, h) / size[::-1]
        apart.append(gap(decode_roi_heatmaps(maps, box)[0][i], theirs + box[i, :2]))
    yield "mask-rcnn", "torch's bicubic resize and argmax", f"{max(apart):.0e} px"


def bottom_up() -> Iterator[Row]:
    """Compare with transcriptions on made people: affinity fields, tags, PersonLab, parts."""
    for name in ("openpose", "openpose-matlab", "openpose-cpp", "lightweight-openpose", "tf-pose"):
        apart = []
        for joints in (18, 25) if name.startswith("openpose") else (18,):
            rng, limbs = np.random.default_rng(joints), paf_limbs(f"openpose{joints}")
            rules = quick_rules(name)
            for n, noise in ((2, 0.0), (4, 0.012)):
                xy = paf_oracle.people(n, rng, 36, 34, joints)
                maps = paf_oracle.encoded(xy, limbs, 36, 34, noise=noise, rng=rng)
                theirs = paf_oracle.plain(*maps, limbs, rules)
                apart.append(gap(decode_paf(*maps, limbs, rules).xy, theirs[0]))
        yield name, "transcription, made crowds", f"{max(apart):.0e} cell"
    for name in (tags_oracle.AE, tags_oracle.HIGHER):
        rng, apart = np.random.default_rng(1), []
        for n in (1, 3, 7):
            xy = tags_oracle.people(n, rng, 320)
            maps, tags = tags_oracle.encode(xy, rng, 320, drop=0.2, tag_noise=0.3)
            theirs = tags_oracle.published(maps, tags[..., None], name)
            ours = decode_tags(maps, tags[..., None], name, compat=True)
            apart.append(gap(ours[0], theirs[0]))
        xy = tags_oracle.people(2, rng, 512, (200, 350))
        found = decode(raw_image(test_tags.outputs(name, xy, rng, 512, noise=0.01)), name)
        worst = tags_oracle.oks(found.xy, test_tags.to_image(xy)).min()
        told = f"{max(apart):.0e} cell; encoded people OKS {worst:.3f}"
        yield name, "transcription, made crowds", told
    truth, _ = make_people(12, np.random.default_rng(7))
    scenes = []
    for ref, rows in truth.by_image():
        size, rng = (ref.width, ref.height), np.random.default_rng(0)
        heads = test_personlab.encode(truth.xy[rows], size, 0.3, rng)
        scenes.append((truth[rows], [h.astype(np.float32) for h in heads]))
    for name, rules, plain in (
        ("posenet", "tfjs", test_personlab.tfjs),
        ("posenet-coral", "coral", test_personlab.coral),
    ):
        apart = [gap(decode_personlab(*h, rules=rules).xy, plain(*h)[0]) for _, h in scenes[:4]]
        yield name, "transcription, made crowds", f"{max(apart):.0e} px"
    best = []
    for people, heads in scenes:
        found = decode_personlab(*heads, rules="hough")
        table = test_personlab.pairwise_oks(
            people.xy, found.xy, people.area, test_personlab.BODY.sigmas
        )
        best.extend(table.max(1, initial=0))
    yield "personlab", "joints encoded, noise and crowds", f"mean OKS {np.mean(best):.3f}"
    rng = np.random.default_rng(8)
    xy = partition_encoders.people(3, rng)
    found = decode(raw_image(partition_encoders.candidates(xy, rng)), "deepcut")
    least = partition_encoders.oks(found.xy, xy).min()
    yield "deepcut", "joints encoded with noise of 1 px", f"least OKS {least:.3f}"
    rng = np.random.default_rng(6)
    xy = partition_encoders.people(2, rng)
    raw = raw_image(partition_encoders.encode(xy, rng, drop=0.2))
    fast, exact = (decode(raw, "deepercut", solver=s).xy for s in ("fast", "ilp"))
    yield "deepercut", "the integer programme solved exactly", f"{gap(fast, exact):.0e} px"


def quick_rules(name: str) -> Any:
    """Return a rule set with a smaller enlargement, which keeps the loops short."""
    return replace(paf_rules()[name], upsample=2, ignores_first=False)


def centres() -> Iterator[Row]:
    """Compare centres and one-stage networks with transcriptions and encoded joints."""
    truth, _ = make_people(6, np.random.default_rng(5))
    apart, moved = [], []
    for ref, rows in truth.by_image():
        size, rng = (ref.width, ref.height), np.random.default_rng(0)
        heads = test_centre.encode(truth.xy[rows], truth.box[rows], size, 0.05, rng)
        apart.append(gap(decode_centernet(*heads).xy, test_centre.plain_centernet(*heads)[0]))
        k = test_centre.K
        turn = np.arange(2 * k).reshape(k, 2)[:, ::-1].ravel()
        step = np.tile(heads[5][::-1], (k, 1, 1))
        swapped = heads[0], heads[2][::-1], heads[3][::-1], heads[1][turn], heads[4] + 1e-4, step
        ours = decode_movenet_multipose(*swapped, logits=False)
        moved.append(gap(ours.xy, test_centre.plain_movenet(*swapped)[0]))
    yield "centernet", "transcription, made crowds", f"{max(apart):.0e} px"
    yield "movenet-multipose", "transcription, made crowds", f"{max(moved):.0e} px"
    yield "movenet", "transcription, random outputs", f"{single_movenet():.0e} px"
    rng = np.random.default_rng(7)
    corner, extent = np.array([[20.0, 30], [130, 20], [225, 60]]), np.array([60.0, 110])
    xy = corner[:, None] + rng.uniform(0, 1, (3, 17, 2)) * extent
    people = xy, np.concatenate([xy.min(1) - 4, xy.max(1) + 4], 1)
    size = one_stage_encoders.SIZE

    def nearest(found: Any) -> float:
        joints = found[0] if isinstance(found, tuple) else found.xy
        return max(np.abs(joints - person).max((1, 2)).min() for person in xy)

    for name, version in (("yolov8-pose", "v8"), ("yolo26-pose", "v26")):
        raw = one_stage_encoders.encode_v8(people, version)
        found = keep_best(decode_yolo_pose(raw, 17, size, version=version, threshold=0.5))
        yield name, "joints encoded in grids", f"{nearest(found):.0e} px"
    raw = one_stage_encoders.encode_v5(people)
    strides = (*one_stage_encoders.STRIDES, 64)
    found = keep_best(decode_yolo_pose(raw, 17, size, strides, "v5", threshold=0.5))
    yield "yolov5-pose", "joints encoded in grids", f"{nearest(found):.0e} px"
    cls, offsets, sides = one_stage_encoders.encode_points(people, one_stage_encoders.STRIDES, 0.0)
    n, sure = len(cls), np.full(len(cls), 2.0)
    found = decode_yolox_pose(cls, sure, sides, offsets, np.zeros((n, 17)), size)
    yield (
        "yolox-pose",
        "joints encoded in grids",
        f"{nearest(keep_best(found, 'box', 0.65)):.0e} px",
    )
    cls, offsets, _ = one_stage_encoders.encode_points(people, (8, 16, 32, 64, 128), 0.5)
    found = decode_direct_pose(cls, np.full(len(cls), 1.0), offsets, size)
    found = keep_best(found, "box", 0.6)
    yield "directpose", "joints encoded in grids", f"{nearest(found):.0e} px"
    bins = one_stage_encoders.encode_dcc(people)
    yield "rtmo", "joints encoded in bins", f"{gap(decode_dcc(*bins, people[1]), xy):.0e} px"
    found = decode_dekr(*one_stage_encoders.encode_dekr(people), threshold=0.5)
    yield "dekr", "joints encoded in offsets", f"{nearest(found):.0e} px"


def single_movenet() -> float:
    """Return the largest difference from MoveNet's weights by distance, spelled out."""
    rng, k = np.random.default_rng(4), test_centre.K
    centre, maps = rng.random((48, 48)), rng.random((k, 48, 48))
    hops, step = 8 * rng.standard_normal((2 * k, 48, 48)), rng.random((2 * k, 48, 48))
    y, x = np.mgrid[:48, :48]
    c = np.unravel_index((centre / (np.hypot(y - 24, x - 24) + 1.8)).argmax(), (48, 48))
    found = decode_movenet(centre, hops, maps, step, logits=False).xy[0]
    theirs = np.empty((k, 2))
    for m in range(k):
        a, b = np.array(c) + hops[2 * m : 2 * m + 2, c[0], c[1]]
        weight = maps[m] / (np.hypot(y - a, x - b) + 1.8)
        r, q = np.unravel_index(weight.argmax(), weight.shape)
        theirs[m] = 4 * (q + step[2 * m + 1, r, q]), 4 * (r + step[2 * m, r, q])
    return gap(found, theirs)


def main() -> None:
    print("| preset | compared with | largest difference |\n|---|---|---|")
    for part in (transcriptions, heatmaps, fused, regression, bottom_up, centres):
        for cells in part():
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
