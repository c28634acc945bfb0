"""Speed of the decoders beside their usual forms, as a Markdown table.

    python tests/benchmarks/decode.py

float32 [32, 17, 64, 48], one thread, rounds in turn; the ratio is the median over the rounds.
The DARK peer is the usual loop (mmpose, DarkPose): blur every map with OpenCV, log, Taylor step.
"""

import time

import cv2
import numpy as np

from refine.decoding import decode_heatmaps

SHAPE = (32, 17, 64, 48)
ROUNDS = 9


def sample():
    rng = np.random.default_rng(0)
    n, k, h, w = SHAPE
    y, x = np.mgrid[:h, :w]
    centre = rng.uniform((0, 0), (w - 1, h - 1), (n, k, 2))
    d2 = (x - centre[..., 0, None, None]) ** 2 + (y - centre[..., 1, None, None]) ** 2
    return (np.exp(-d2 / 8) + 0.01 * rng.standard_normal(SHAPE)).astype(np.float32)


def numpy_argmax(maps):
    flat = maps.reshape(*maps.shape[:2], -1)
    cell = flat.argmax(2)
    return np.stack([cell % maps.shape[3], cell // maps.shape[3]], 2).astype(float), flat.max(2)


def loop_quarter(maps):
    xy, score = numpy_argmax(maps)
    h, w = maps.shape[2:]
    for n, k in np.ndindex(maps.shape[:2]):
        x, y = xy[n, k].astype(int)
        if 1 < x < w - 1 and 1 < y < h - 1:
            m = maps[n, k]
            xy[n, k] += 0.25 * np.sign([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]])
    return xy, score


def loop_dark(maps, kernel=11):
    xy, score = numpy_argmax(maps)
    h, w = maps.shape[2:]
    pad = (kernel - 1) // 2
    padded = np.zeros((h + 2 * pad, w + 2 * pad), np.float32)
    for n, k in np.ndindex(maps.shape[:2]):
        padded[pad:-pad, pad:-pad] = maps[n, k]
        g = cv2.GaussianBlur(padded, (kernel, kernel), 0)[pad:-pad, pad:-pad]
        g = np.log(np.maximum(g * (score[n, k] / g.max()), 1e-10))
        x, y = xy[n, k].astype(int)
        if 1 < x < w - 2 and 1 < y < h - 2:
            dx, dy = 0.5 * (g[y, x + 1] - g[y, x - 1]), 0.5 * (g[y + 1, x] - g[y - 1, x])
            dxx = 0.25 * (g[y, x + 2] - 2 * g[y, x] + g[y, x - 2])
            dyy = 0.25 * (g[y + 2, x] - 2 * g[y, x] + g[y - 2, x])
            dxy = 0.25 * (g[y + 1, x + 1] - g[y - 1, x + 1] - g[y + 1, x - 1] + g[y - 1, x - 1])
            det = dxx * dyy - dxy**2
            if det != 0:
                xy[n, k] -= [(dyy * dx - dxy * dy) / det, (dxx * dy - dxy * dx) / det]
    return xy, score


def numpy_soft_argmax(maps, beta=25.0):
    p = np.exp(beta * (maps - maps.max((2, 3), keepdims=True)))
    p /= p.sum((2, 3), keepdims=True)
    h, w = maps.shape[2:]
    return np.stack([p.sum(2) @ np.arange(w), p.sum(3) @ np.arange(h)], 2), maps.max((2, 3))


def main() -> None:
    cv2.setNumThreads(1)
    maps = sample()
    rows = [
        ("argmax", "NumPy", numpy_argmax, ("argmax",)),
        ("quarter", "NumPy loop", loop_quarter, ("quarter",)),
        ("DARK 11", "OpenCV loop", loop_dark, ("dark", 11)),
        ("fit", "OpenCV loop, DARK 11", loop_dark, ("fit",)),
        ("UDP-DARK 11", "OpenCV loop, DARK 11", loop_dark, ("dark-udp", 11)),
        ("soft-argmax", "NumPy", numpy_soft_argmax, ("soft-argmax",)),
    ]
    count = SHAPE[0] * SHAPE[1]
    print("| decoder | ours, us per map | peer | peer, us per map | ratio |\n|---|---|---|---|---|")
    for name, peer_name, peer, arguments in rows:
        decode_heatmaps(maps, *arguments)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            decode_heatmaps(maps, *arguments)
            middle = time.perf_counter()
            peer(maps)
            times.append((middle - start, time.perf_counter() - middle))
        ours, theirs = np.median(times, axis=0) / count * 1e6
        ratio = np.median([b / a for a, b in times])
        print(f"| {name} | {ours:.2f} | {peer_name} | {theirs:.2f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
