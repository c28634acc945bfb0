"""Decode, refine and de-duplicate inside a pipeline of your own that holds NumPy arrays."""

import numpy as np

import refine

# What a top-down network gives: maps of two crops, and the crops' boxes in the image.
rng = np.random.default_rng(0)
cells = rng.uniform(8, 40, (2, 17, 2))
y, x = np.mgrid[:64, :48]
maps = np.exp(-((x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2) / 8)
boxes = np.array([[100.0, 50, 220, 330], [300, 60, 420, 350]])

# Arrays in, arrays out; the geometry is explicit.
found, score = refine.decoding.decode_heatmaps(maps)
grid = refine.Grid((48, 64), (192, 256), "stride")
crop = refine.Crop.from_box(boxes, (192, 256), padding=1.25)
xy = crop.inverse()(grid.to_input(found))
print("largest error:", np.abs(found - cells).max().round(4), "cells")

# The refiner and suppression work on poses of one image or of many.
poses = refine.Poses.from_arrays(
    refine.skeleton("coco17"), xy, score, instance_score=score.mean(1), score_kind="peak", box=boxes
)
better = refine.Refiner.load()(poses)
kept = refine.suppression.oks_nms(
    better.xy,
    better.instance_score,
    area=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
    sigmas=better.skeleton.require_sigmas(),
    threshold=0.9,
)
print("kept:", kept.tolist(), "expected similarity:", better.score.mean().round(3))
