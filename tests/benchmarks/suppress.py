"""OKS-NMS and soft OKS-NMS beside MMPose's loop and plain NumPy rows.

    python tests/benchmarks/suppress.py

Prints a Markdown table: medians a pose, and how many times ours is faster. The two peers are
written here after the published rule (`mmpose/evaluation/functional/nms.py`), because MMPose does
not install beside NumPy 2.
"""

import time

import numpy as np

from refine.oks import pose_area
from refine.skeletons import skeleton
from refine.suppression import oks_nms, soft_oks_nms

SIGMAS = skeleton("coco17").require_sigmas()
VARIANCE = (SIGMAS * 2) ** 2


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
    return keep


def soft_nms(oks, xy, score, area, threshold=0.9, most=20):
    order = score.argsort()[::-1]
    score, keep = score[order], []
    while len(order) and len(keep) < most:
        i, order = order[0], order[1:]
        keep.append(i)
        score = score[1:] * np.exp(-(oks(xy[i], xy[order], area[i], area[order]) ** 2) / threshold)
        again = score.argsort()[::-1]
        order, score = order[again], score[again]
    return keep


def median(function, budget=1.5):
    function()
    times, end = [], time.perf_counter() + budget
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main():
    print("| job | poses | ours, us a pose | NumPy rows | MMPose's loop | same result |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for job in ("OKS-NMS", "soft, first 20"):
        for n in (20, 100, 1000):
            data = crowd(n, rng)
            xy, score, area = data
            if job == "OKS-NMS":
                ours = lambda a=(xy, score, area): oks_nms(*a, SIGMAS)  # noqa: E731
                peer = nms
            else:
                ours = lambda a=(xy, score, area): soft_oks_nms(*a, SIGMAS, max_poses=20)[0]  # noqa: E731
                peer = soft_nms
            calls = [ours, *(lambda o=o, p=peer, a=data: p(o, *a) for o in (oks_rows, oks_loop))]
            same = all(list(calls[0]()) == list(c()) for c in calls[1:])
            mine, rows, loop = (median(call) for call in calls)
            print(
                f"| {job} | {n} | {mine / n * 1e6:.2f} | {rows / mine:.0f}x slower "
                f"| {loop / mine:.0f}x slower | {'yes' if same else 'no'} |"
            )


if __name__ == "__main__":
    main()
