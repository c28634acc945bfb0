"""Tag grouping beside its usual form.

HigherHRNet's parser as published (torch max-pool and top-k, NumPy grouping and filling in, scipy's
assignment in place of munkres), written here.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from refine.decoding import decode_tags
from refine.decoding.tags.arrays import COCO_ORDER
from tests.benchmarks.tasks.job import Job

SHAPE = (17, 128, 128)


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


def as_arrays(found):
    """Return the places of what the usual form finds, where it found anything."""
    return (np.array(found[0])[..., :2],)


def jobs():
    rng = np.random.default_rng(0)
    for people in (2, 8, 20):
        maps, tags, _ = scene(people, rng)
        yield Job(
            f"associative embedding, {people} persons [17, 128, 128]",
            1,
            lambda _, m=maps, t=tags: (np.nan_to_num(decode_tags(m, t, compat=True)[0]),),
            {"usual form": lambda m=maps, t=tags: as_arrays(usual(m, t))},
        )
