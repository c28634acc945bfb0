"""Ideal outputs of one-stage networks made from ground truth."""

import numpy as np

from refine.decoding import (
    decode_yolo_pose,
    keep_best,
)
from refine.decoding.one_stage.arrays import grid_points
from refine.decoding.one_stage.yolo import YOLOV7_ANCHORS
from refine.oks import pairwise_oks
from refine.skeletons import skeleton

SIZE = (256, 192)


STRIDES = (8, 16, 32)


SIGMAS = skeleton("coco17").require_sigmas()


MIRROR = skeleton("coco17").mirror


def logit(p):
    return np.log(p) - np.log1p(-p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cells_of(box, strides=STRIDES, copies=3):
    """Cells next to the middle of each box: pairs of row in the grids and person."""
    cell, stride = grid_points(SIZE, strides)
    middle = np.clip((box[:, :2] + box[:, 2:]) / 2, 0, np.array(SIZE) - 1)
    away = np.abs((cell + 0.5) * stride[:, None] - middle[:, None]).max(-1) / stride
    return [(a, i) for i, row in enumerate(away) for a in np.argsort(row)[:copies]]


def oks(found, xy):
    area = np.prod(np.ptp(xy, axis=1), 1)
    return pairwise_oks(xy, found, area, SIGMAS)


def encode_v8(people, version, sides=16, noise=0.0):
    """Answers at three cells a person, sure in the first."""
    rng = np.random.default_rng(1)
    xy, box = people
    cell, stride = grid_points(SIZE, STRIDES)
    raw = np.zeros((4 * sides + 1 + 51, len(cell)))
    raw[4 * sides] = logit(0.01)
    for rank, (a, i) in enumerate(cells_of(box)):
        c, s = cell[a], stride[a]
        raw[4 * sides, a] = logit(0.9 - 0.1 * (rank % 3))
        away = np.concatenate([(c + 0.5) * s - box[i, :2], box[i, 2:] - (c + 0.5) * s]) / s
        if sides == 1:
            raw[:4, a] = away
        else:
            hot = np.clip(1 - np.abs(np.arange(sides) - np.clip(away, 0, sides - 1)[:, None]), 0, 1)
            raw[: 4 * sides, a] = np.log(np.maximum(hot, 1e-30)).ravel()
        joints = xy[i] + noise * rng.normal(size=(17, 2))
        place = {"v8": (joints / s - c) / 2, "v26": joints / s - c - 0.5}[version]
        raw[4 * sides + 1 :, a] = np.column_stack([place, np.full(17, logit(0.8))]).ravel()
    return raw


def encode_v5(people):
    xy, box = people
    strides = (*STRIDES, 64)
    rows = []
    for s, anchors in zip(strides, YOLOV7_ANCHORS, strict=True):
        cell, _ = grid_points(SIZE, (s,))
        middle = np.clip((box[:, :2] + box[:, 2:]) / 2, 0, np.array(SIZE) - 1)
        for anchor in np.array(anchors, float):
            table = np.full((len(cell), 57), -9.0)
            for i in range(3):
                a = np.abs((cell + 0.5) * s - middle[i]).max(1).argmin()
                share = np.r_[
                    ((box[i, :2] + box[i, 2:]) / 2 / s - cell[a] + 0.5) / 2,
                    np.sqrt((box[i, 2:] - box[i, :2]) / anchor) / 2,
                ]
                if not ((share > 0) & (share < 1)).all():
                    continue
                place = (xy[i] / s - cell[a] + 0.5) / 2
                joints = np.column_stack([place, np.full(17, 1.5)])
                table[a] = np.r_[logit(share), 2.0, 3.0, joints.ravel()]
            rows.append(table)
    return np.concatenate(rows)


def exported(people, layout, noise=0.5, people_seen=17):
    found = decode_yolo_pose(encode_v8(people, "v8", noise=noise), 17, SIZE, threshold=0.5)
    joints = np.concatenate([found.xy, found.score[..., None]], 2).reshape(len(found.xy), -1)
    score = found.instance_score[:, None]
    middle = (found.box[:, :2] + found.box[:, 2:]) / 2
    extent = found.box[:, 2:] - found.box[:, :2]
    if layout == "v8":
        return found, np.concatenate([middle, extent, score, joints], 1).T
    if layout == "v5":
        return found, np.concatenate([middle, extent, score**0.5, score**0.5, joints], 1)
    kept = keep_best(found)
    joints = np.concatenate([kept.xy, kept.score[..., None]], 2).reshape(len(kept.xy), -1)
    score = kept.instance_score[:, None]
    return kept, np.concatenate([kept.box, score, np.zeros_like(score), joints], 1)


def encode_points(people, strides, shift):
    """Offsets in cells from points at (c + shift) s, classes, extra rows."""
    xy, box = people
    cell, stride = grid_points(SIZE, strides)
    n = len(cell)
    cls, offsets = np.full((n, 1), -6.0), np.zeros((n, 34))
    sides = np.zeros((n, 4))
    for a, i in cells_of(box, strides):
        point = (cell[a] + shift) * stride[a]
        offsets[a] = ((xy[i] - point) / stride[a]).ravel()
        sides[a, :2] = ((box[i, :2] + box[i, 2:]) / 2 - point) / stride[a]
        sides[a, 2:] = np.log((box[i, 2:] - box[i, :2]) / stride[a])
        cls[a] = 3.0
    return cls, offsets, sides


def encode_dcc(people, bins=(192, 256), padding=1.25):
    xy, box = people
    middle, extent = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) * padding
    at = ((xy - middle[:, None]) / extent[:, None] + 0.5) * (np.array(bins) - 1)
    return [
        np.log(np.maximum(np.clip(1 - np.abs(np.arange(b) - at[..., i, None]), 0, 1), 1e-30))
        for i, b in enumerate(bins)
    ]


def encode_dekr(people, stride=4, sigma=2.0):
    """Heatmaps of joints and centres at stride 4, offsets from the cells near the centre."""
    xy, _ = people
    width, height = SIZE[0] // stride, SIZE[1] // stride
    y, x = np.mgrid[:height, :width]
    centre = np.clip(xy.mean(1), 0, np.array(SIZE) - 1)
    maps = np.zeros((18, height, width))
    offsets = np.zeros((34, height, width))
    for joints, middle in zip(xy, centre, strict=True):
        for k, (px, py) in enumerate([*joints, middle]):
            g = np.exp(-((x - px / stride) ** 2 + (y - py / stride) ** 2) / 2 / sigma**2)
            maps[k] = np.maximum(maps[k], g)
        near = (np.abs(x - middle[0] / stride) < 3) & (np.abs(y - middle[1] / stride) < 3)
        away = np.stack([x, y])[None] - (joints / stride)[:, :, None, None]
        offsets = np.where(near, away.reshape(34, height, width), offsets)
    return maps, offsets
