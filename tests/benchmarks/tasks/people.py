"""OKS, OKS-NMS and soft OKS-NMS beside torch, plain NumPy rows and MMPose's loop.

The last two are written here after the published rule (`mmpose/evaluation/functional/nms.py`):
that module imports xtcocotools, which does not import beside NumPy 2.
"""

import numpy as np
import torch

from refine._exp import exp
from refine._kernel import kernel
from refine.oks import pairwise_oks, pose_area
from refine.skeletons import skeleton
from refine.suppression import oks_nms, soft_oks_nms
from tests.benchmarks.tasks.job import Job

SIGMAS = skeleton("coco17").require_sigmas()
VARIANCE = (SIGMAS * 2) ** 2
LOOP_MOST, ROWS_MOST = 1000, 1000
"""Poses above which a call of MMPose's loop, and of NumPy rows, takes seconds."""


def crowd(n, rng):
    """Three detections a person, as a detector without its own suppression gives."""
    people = rng.uniform(0, 150, (n // 3 + 1, 17, 2)) + rng.uniform(0, 1500, (n // 3 + 1, 1, 2))
    xy = people[rng.integers(len(people), size=n)] + rng.normal(0, 1.5, (n, 17, 2))
    return xy, rng.random(n), pose_area(xy, "keypoints")


def oks_loop(g, d, a_g, a_d):
    """One kept pose against the others, one at a time, as MMPose computes it."""
    ious = np.zeros(len(d), np.float32)
    for n in range(len(d)):
        dx, dy = d[n, :, 0] - g[:, 0], d[n, :, 1] - g[:, 1]
        e = (dx**2 + dy**2) / VARIANCE / ((a_g + a_d[n]) / 2 + np.spacing(1)) / 2
        ious[n] = np.sum(np.exp(-e)) / len(e)
    return ious


def oks_rows(g, d, a_g, a_d):
    """The same in one NumPy expression."""
    e = ((d - g) ** 2).sum(-1) / VARIANCE / ((a_g + a_d) / 2 + np.spacing(1))[:, None] / 2
    return np.exp(-e).mean(1)


def nms(oks, xy, score, area, threshold=0.9):
    order, keep = score.argsort()[::-1], []
    while len(order):
        i = order[0]
        keep.append(i)
        rest = order[1:]
        order = rest[oks(xy[i], xy[rest], area[i], area[rest]) <= threshold]
    return np.array(keep)


def nms_by_image(oks, xy, score, area, image):
    """The same image by image."""
    order = np.argsort(image, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(image[order])) + 1)
    return np.concatenate([p[nms(oks, xy[p], score[p], area[p])] for p in parts])


def soft_nms(oks, xy, score, area, threshold=0.9, most=20):
    order = score.argsort()[::-1]
    score, keep = score[order], []
    while len(order) and len(keep) < most:
        i, order = order[0], order[1:]
        keep.append(i)
        score = score[1:] * np.exp(-(oks(xy[i], xy[order], area[i], area[order]) ** 2) / threshold)
        again = score.argsort()[::-1]
        order, score = order[again], score[again]
    return np.array(keep)


def torch_oks(a, b, area, sigmas):
    """The broadcast form of ultralytics' kpt_iou."""
    d = (a[:, None, :, 0] - b[..., 0]) ** 2 + (a[:, None, :, 1] - b[..., 1]) ** 2
    return (-d / ((2 * sigmas) ** 2 * area[:, None, None] * 2)).exp().mean(-1)


@kernel(fastmath={"contract"})
def exponentials(flat, out):
    for i in range(flat.size):
        out[i] = exp(flat[i])


def oks_jobs():
    """Yield matrices of OKS."""
    rng = np.random.default_rng(0)
    for n in (20, 100, 1000):
        xy, _, area = crowd(n, rng)
        tensors = [torch.from_numpy(v) for v in (xy, xy, area, SIGMAS)]
        # One row at a time, so that the limit is that of arithmetic and not of memory.
        flat, out = -rng.random(n * 17), np.empty(n * 17)

        def limit(n=n, flat=flat, out=out):
            for _ in range(n):
                exponentials(flat, out)

        yield Job(
            f"OKS, {n} x {n}",
            n * n,
            lambda _, x=xy, a=area: (pairwise_oks(x, x, a, SIGMAS),),
            {"torch": lambda t=tensors: (torch_oks(*t).numpy(),)},
            {"exponentials": limit} if n >= 1000 else {},
        )


def jobs():
    """Yield suppression."""
    rng = np.random.default_rng(0)
    for n in (20, 100, 1000, 10_000, 100_000):
        data = crowd(n, rng)
        peers = {}
        if n <= ROWS_MOST:
            peers["NumPy rows"] = lambda d=data: (nms(oks_rows, *d),)
        if n <= LOOP_MOST:
            peers["MMPose's loop"] = lambda d=data: (nms(oks_loop, *d),)
        task = f"OKS-NMS, {n} poses" if n < 100_000 else "OKS-NMS, 100,000 poses on one image"
        yield Job(task, n, lambda _, d=data: (oks_nms(*d, SIGMAS),), peers)
        if n <= LOOP_MOST:
            yield Job(
                f"soft OKS-NMS, first 20 of {n} poses",
                n,
                lambda _, d=data: (soft_oks_nms(*d, SIGMAS, max_poses=20)[0],),
                {
                    "NumPy rows": lambda d=data: (soft_nms(oks_rows, *d),),
                    "MMPose's loop": lambda d=data: (soft_nms(oks_loop, *d),),
                },
            )
    n = 100_000
    data, image = crowd(n, rng), rng.integers(0, 5000, n)
    yield Job(
        "OKS-NMS, 100,000 poses on 5,000 images",
        n,
        lambda _, d=data, i=image: (oks_nms(*d, SIGMAS, image=i),),
        {"NumPy rows": lambda d=data, i=image: (nms_by_image(oks_rows, *d, i),)},
    )
