"""Tag grouping beside its usual form, and what deciding ties by distance does.

    python tests/benchmarks/tags.py

Prints Markdown tables: float32 maps of 17 x 128 x 128, one thread, rounds in turn, best of three
each, medians. The peer is HigherHRNet's parser as published (torch max-pool and top-k, NumPy
grouping and filling in, scipy's assignment in place of munkres), written here. The outputs are
synthetic.
"""

import time

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from refine.decoding import decode_tags
from refine.decoding.tags.arrays import COCO_ORDER

SHAPE = (17, 128, 128)
ROUNDS = 9


def scene(people, rng, spread=0.1, gap=2.0):
    """Return maps, tags and the cells (N, 17, 2) of people of whose joints a tenth is missing."""
    k, h, w = SHAPE
    y, x = np.mgrid[:h, :w]
    maps = rng.normal(0, 0.01, SHAPE)
    tags = rng.normal(0, 1, SHAPE)
    cells = rng.integers(3, h - 3, (people, k, 2))
    for i, j in np.ndindex(people, k):
        near = (x - cells[i, j, 0]) ** 2 + (y - cells[i, j, 1]) ** 2
        if rng.random() > 0.1:
            maps[j] = np.maximum(maps[j], rng.uniform(0.4, 1) * np.exp(-near / 8))
        tags[j][near < 20] = gap * i + rng.normal(0, spread)
    return maps.astype(np.float32), tags.astype(np.float32)[..., None], cells


def usual(maps, tags, most=30):
    det = torch.from_numpy(maps)[None]
    top = torch.nn.functional.max_pool2d(det, 5, 1, 2)
    value, at = (det * (top == det)).flatten(2).topk(most, dim=2)
    value, at = value[0].numpy(), at[0].numpy()
    k, h, w = maps.shape
    tag = tags.reshape(k, h * w, -1)
    people, means = [], []
    for j in COCO_ORDER:
        good = value[j] > 0.1
        v, a, t = value[j][good].astype(float), at[j][good], tag[j][at[j][good]].astype(float)
        if not len(v):
            continue
        if not people:
            pairs, apart, g = [(i, 0) for i in range(len(v))], np.zeros((len(v), 0)), 0
        else:
            g = min(len(people), most)
            apart = np.linalg.norm(
                t[:, None] - np.array([np.mean(m, 0) for m in means[:g]]), axis=2
            )
            cost = np.round(apart) * 100 - v[:, None]
            if len(v) > g:
                cost = np.concatenate([cost, np.full((len(v), len(v) - g), 1e10)], 1)
            pairs = zip(*linear_sum_assignment(cost), strict=True)
        for row, column in pairs:
            if column >= g or apart[row, column] >= 1:
                people.append(np.zeros((k, 3)))
                means.append([])
                column = len(people) - 1
            people[column][j] = a[row] % w, a[row] // w, v[row]
            means[column].append(t[row])
    for person in people:
        for j in np.flatnonzero(person[:, 2]):
            place(maps[j], person, j, person[j, 2])
    score = [p[:, 2].mean() for p in people]
    for person in people:
        found = np.flatnonzero(person[:, 2])
        mean = np.mean([tags[j, int(person[j, 1]), int(person[j, 0])] for j in found], 0)
        for j in range(k):
            apart = ((tags[j] - mean) ** 2).sum(2) ** 0.5
            y, x = np.unravel_index((maps[j] - np.round(apart)).argmax(), (h, w))
            if person[j, 2] == 0 and maps[j, y, x] > 0:
                person[j, :2] = x, y
                place(maps[j], person, j, maps[j, y, x])
    return people, score


def place(m, person, j, value):
    x, y = person[j, :2].astype(int)
    h, w = m.shape
    dx = 0.25 if m[y, min(x + 1, w - 1)] > m[y, max(x - 1, 0)] else -0.25
    dy = 0.25 if m[min(y + 1, h - 1), x] > m[max(y - 1, 0), x] else -0.25
    person[j] = x + 0.5 + dx, y + 0.5 + dy, value


def same(ours, peer):
    xy, score, instance = ours
    people = np.array(peer[0])
    return (
        len(xy) == len(people)
        and np.allclose(instance, peer[1], atol=1e-6)
        and np.allclose(np.nan_to_num(xy), people[..., :2], atol=1e-6)
        and np.allclose(score, people[..., 2], atol=1e-6)
    )


def right(xy, score, cells):
    """Share of the joints with a peak that lie in a pose with the joints of the same person."""
    owner = np.full(xy.shape[:2], -1)
    for j in range(xy.shape[1]):
        gap = np.abs(xy[:, None, j] - cells[:, j] - 0.5).max(2)
        near = np.nan_to_num(gap, nan=9).argmin(1)
        good = (np.nan_to_num(gap, nan=9).min(1) < 1.5) & (score[:, j] > 0.1)
        owner[good, j] = near[good]
    counts = [np.bincount(row[row >= 0]).max(initial=0) for row in owner]
    return sum(counts) / (owner >= 0).sum()


def timed(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(
        "| people | ours, us an image | without filling in | usual form, us | ratio | same result |"
    )
    print("|---|---|---|---|---|---|")
    for people in (2, 8, 20):
        maps, tags, _ = scene(people, rng)
        equal = same(decode_tags(maps, tags, compat=True), usual(maps, tags))
        decode_tags(maps, tags)
        times = []
        for _ in range(ROUNDS):
            best = []
            for job in (
                lambda m=maps, t=tags: decode_tags(m, t),
                lambda m=maps, t=tags: decode_tags(m, t, fill=False),
                lambda m=maps, t=tags: usual(m, t),
            ):
                best.append(min(timed(job) for _ in range(3)))
            times.append(best)
        ours, bare, theirs = np.median(times, axis=0) * 1e6
        ratio = np.median([t[2] / t[0] for t in times])
        print(
            f"| {people} | {ours:.0f} | {bare:.0f} | {theirs:.0f} | {ratio:.1f} "
            f"| {'yes' if equal else 'no'} |"
        )
    print(
        "\n| tag noise | gap of people | published ties, joints right | ours |\n|---|---|---|---|"
    )
    for spread, gap in ((0.1, 2.0), (0.1, 0.7), (0.15, 0.5), (0.1, 0.4)):
        shares = []
        for _ in range(40):
            maps, tags, cells = scene(8, rng, spread, gap)
            both = (decode_tags(maps, tags, compat=c, fill=False) for c in (True, False))
            shares.append([right(xy, score, cells) for xy, score, _ in both])
        theirs, ours = np.mean(shares, axis=0)
        print(f"| {spread:g} | {gap:g} | {theirs:.1%} | {ours:.1%} |")


if __name__ == "__main__":
    main()
