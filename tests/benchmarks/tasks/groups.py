"""PersonLab, CenterNet and YOLO beside their published procedures in NumPy.

The transcriptions are those that the tests hold ours to. They go person by person and joint by
joint, as the JavaScript and Python of their authors do.
"""

import numpy as np

from refine.decoding import decode_centernet, decode_personlab, decode_yolo_pose, keep_best
from refine.decoding.one_stage.arrays import grid_points
from refine.sample import make_people
from tests.benchmarks.tasks.job import Job
from tests.decoding import test_centre, test_personlab
from tests.oracles.one_stage import STRIDES

SIZE = (640, 640)


def personlab():
    rng = np.random.default_rng(7)
    truth, _ = make_people(1, rng)
    ref, rows = next(iter(truth.by_image()))
    made = test_personlab.encode(truth.xy[rows], (ref.width, ref.height), 0.3, rng)
    heads = [h.astype(np.float32) for h in made]
    yield Job(
        f"PersonLab, PoseNet's rules, {len(rows)} persons {list(heads[0].shape)}",
        1,
        lambda _: (decode_personlab(*heads, rules="tfjs").xy,),
        {"procedure in NumPy": lambda: (test_personlab.tfjs(*heads)[0],)},
    )


def centernet():
    rng = np.random.default_rng(5)
    truth, _ = make_people(1, rng)
    ref, rows = next(iter(truth.by_image()))
    heads = test_centre.encode(truth.xy[rows], truth.box[rows], (ref.width, ref.height), 0.05, rng)
    yield Job(
        f"CenterNet, {len(rows)} persons {list(heads[4].shape)}",
        1,
        lambda _: (decode_centernet(*heads).xy,),
        {"procedure in NumPy": lambda: (test_centre.plain_centernet(*heads)[0],)},
    )


def yolo_outputs(rng, people=10):
    """Raw outputs [116, 8400] that are sure at four cells a person, as Ultralytics' heads are."""
    cell, stride = grid_points(SIZE, STRIDES)
    raw = rng.normal(0, 1, (116, len(cell))).astype(np.float32)
    raw[64] = -8
    for middle in rng.uniform(100, 540, (people, 2)):
        away = np.abs((cell + 0.5) * stride[:, None] - middle).sum(1)
        for a in np.argsort(away)[:4]:
            raw[64, a] = rng.uniform(0, 2)
            reach = np.clip(60 / stride[a], 0, 15)
            raw[:64, a] = -((np.arange(16) - reach) ** 2)[None].repeat(4, 0).ravel()
    return raw


def numpy_yolo(raw, threshold=0.25, overlap=0.7):
    """Decode all cells, keep the sure ones, then NMS of boxes: as Ultralytics does."""
    cell, stride = grid_points(SIZE, STRIDES)
    logits = raw[:64].reshape(4, 16, -1)
    share = np.exp(logits - logits.max(1, keepdims=True))
    distance = (share / share.sum(1, keepdims=True) * np.arange(16)[:, None]).sum(1)
    middle = cell.T + 0.5
    box = np.concatenate([middle - distance[:2], middle + distance[2:]]) * stride
    joints = raw[65:].reshape(17, 3, -1)
    xy = (joints[:, :2] * 2 + cell.T) * stride
    score = 1 / (1 + np.exp(-raw[64]))
    kept = np.flatnonzero(score > threshold)
    order = kept[np.argsort(-score[kept], kind="stable")]
    picked = []
    while len(order):
        i, order = order[0], order[1:]
        picked.append(i)
        low, high = (
            np.maximum(box[:2, i, None], box[:2, order]),
            np.minimum(box[2:, i, None], box[2:, order]),
        )
        inner = np.clip(high - low, 0, None).prod(0)
        areas = (box[2:] - box[:2]).prod(0)
        order = order[inner / (areas[i] + areas[order] - inner) <= overlap]
    return (np.moveaxis(xy[..., picked], 2, 0),)


def yolo():
    raw = yolo_outputs(np.random.default_rng(3))
    yield Job(
        f"YOLO pose, 10 persons {list(raw.shape)}",
        1,
        lambda _: (keep_best(decode_yolo_pose(raw, 17, SIZE, threshold=0.25)).xy,),
        {"procedure in NumPy": lambda: numpy_yolo(raw)},
    )


def jobs():
    for part in (personlab, centernet, yolo):
        yield from part()
