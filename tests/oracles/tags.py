"""The published grouping by tags in plain NumPy, and encoders of ideal outputs."""

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.optimize import linear_sum_assignment

from refine.decoding.tags.arrays import COCO_ORDER
from refine.oks import pairwise_oks
from refine.skeletons import skeleton

AE, HIGHER = "associative-embedding", "higherhrnet"

COCO = skeleton("coco17")


STANDING = np.array(
    [
        (0, 0), (3, -3), (-3, -3), (7, -1), (-7, -1), (17, 18), (-17, 18), (22, 45), (-22, 45),
        (24, 70), (-24, 70), (11, 75), (-11, 75), (12, 112), (-12, 112), (13, 150), (-13, 150),
    ],
    float,
)  # fmt: skip


def published(heatmaps, tags, rules, fill=True, compat=True, threshold=0.1, most=30):
    """Group joints as the papers' code does, one step after the other, with lists and dicts."""
    ae = rules == AE
    maps = np.asarray(heatmaps, np.float32)
    tags = np.asarray(tags, np.float32).astype(float)
    k, h, w = maps.shape
    order = [*([17] if k == 18 else []), *[j for j in COCO_ORDER if j < k]]

    def distance(a, b):
        d2 = (a - b) ** 2
        return np.sqrt(d2.mean() if ae else d2.sum())

    people = []  # one dict a person: its key, its joints and the tags that count for it

    def open_person(joint, peak):
        key = peak[3][0]
        for person in people if compat else ():
            if person["key"] == key:
                person["joints"][joint] = peak
                person["tags"] = [peak[3]]
                return
        people.append({"key": key, "joints": {joint: peak}, "tags": [peak[3]]})

    for joint in order:
        top = maximum_filter(maps[joint], 3 if ae else 5, mode="constant", cval=-np.inf)
        ys, xs = np.nonzero((maps[joint] == top) & (maps[joint] > np.float32(threshold)))
        peaks = [(maps[joint, y, x], x, y, tags[joint, y, x]) for y, x in zip(ys, xs, strict=True)]
        peaks = sorted(peaks, key=lambda p: -p[0])[:most]
        if not peaks:
            continue
        if not people:
            for peak in peaks:
                open_person(joint, peak)
            continue
        groups = people[:most]
        if ae and len(groups) == most:
            continue
        means = [np.mean(g["tags"], axis=0) for g in groups]
        apart = np.array([[distance(p[3], m) for m in means] for p in peaks])
        cost = np.round(apart) * 100 - np.array([[p[0]] for p in peaks], float)
        if not compat:
            cost = cost + 1e-3 * apart
        if len(peaks) > len(groups):
            wide = np.full((len(peaks), len(peaks) - len(groups)), 1e10 if compat else 1e6)
            cost = np.concatenate([cost, wide], 1)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if column < len(groups) and apart[row, column] < 1:
                groups[column]["joints"][joint] = peaks[row]
                groups[column]["tags"].append(peaks[row][3])
            else:
                open_person(joint, peaks[row])

    def step(m, at, low, high):
        return 0.25 if m[high] > m[low] else -0.25

    n = len(people)
    xy, score = np.full((n, k, 2), np.nan), np.zeros((n, k))
    for i, person in enumerate(people):
        for joint, (value, x, y, _) in person["joints"].items():
            m = maps[joint]
            dx = step(m, x, (y, max(x - 1, 0)), (y, min(x + 1, w - 1)))
            dy = step(m, y, (max(y - 1, 0), x), (min(y + 1, h - 1), x))
            xy[i, joint] = x + 0.5 + dx, y + 0.5 + dy
            score[i, joint] = value
    instance = score.sum(1) / k
    for i, person in enumerate(people if fill else ()):
        mean = np.mean([p[3] for p in person["joints"].values()], axis=0).astype(np.float32)
        for joint in set(range(k)) - set(person["joints"]):
            m = maps[joint]
            apart = np.sqrt(((tags[joint].astype(np.float32) - mean) ** 2).sum(-1))
            y, x = np.unravel_index((m - np.round(apart)).argmax(), m.shape)
            if m[y, x] <= 0:
                continue
            # pose-ae-train takes the number of joints for the height and the height for the width.
            last_x, last_y = (h - 1, k - 1) if ae and compat else (w - 1, h - 1)
            right, below = min(x + 1, last_x, w - 1), min(y + 1, last_y, h - 1)
            dx = step(m, x, (y, max(x - 1, 0)), (y, right))
            dy = step(m, y, (max(y - 1, 0), x), (below, x))
            xy[i, joint] = x + 0.5 + dx, y + 0.5 + dy
            score[i, joint] = 1.0 if ae else m[y, x]
    return xy, score, instance


def people(n, rng, size=512, height=(120, 200)):
    """Standing people side by side, (N, 17, 2) whole input px in the frame."""
    out = []
    for i in range(n):
        tall = rng.uniform(*height)
        pose = (STANDING + rng.normal(0, 3, STANDING.shape)) * tall / 160
        column = size * (i + 0.5) / n + rng.uniform(-5, 5)
        out.append(pose + np.array([column, rng.uniform(20, size - tall - 10)]))
    return np.floor(np.array(out).clip(0, size - 1))


def encode(xy, rng, size=512, stride=4, noise=0.02, tag_noise=0.05, tags=None, drop=0.0):
    """Make heatmaps and tags (K, H, W) as a network would, joints at cell xy // stride.

    Joints that are NaN, and a share `drop` of the others, have no peak; tags are right there too.
    """
    cells = size // stride
    n, k = xy.shape[:2]
    y, x = np.mgrid[:cells, :cells]
    maps = rng.normal(0, noise, (k, cells, cells))
    tag = rng.normal(0, 1, (k, cells, cells))
    tags = np.arange(n) * 2.0 if tags is None else tags
    for i, j in np.ndindex(n, k):
        if np.isnan(xy[i, j]).any():
            continue
        cx, cy = xy[i, j] // stride
        near = (x - cx) ** 2 + (y - cy) ** 2
        peak = 0.05 if rng.random() < drop else rng.uniform(0.6, 1)
        maps[j] = np.maximum(maps[j], peak * np.exp(-near / 8))
        tag[j][near < 20] = tags[i] + rng.normal(0, tag_noise, int((near < 20).sum()))
    return maps.astype(np.float32), tag.astype(np.float32)


def oks(found, xy):
    """OKS of each person's best pose."""
    area = np.prod(np.nanmax(xy, 1) - np.nanmin(xy, 1), axis=1) * 0.53
    table = pairwise_oks(xy, found, area, COCO.require_sigmas(), missing="zero")
    return table.max(1) if len(found) else np.zeros(len(xy))


def equal(a, b):
    for one, two in zip(a, b, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
