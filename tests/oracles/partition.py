"""Ideal outputs of DeepCut and DeeperCut made from ground truth."""

import itertools

import numpy as np

from refine.decoding.partition.candidates import (
    LOCREF_SCALE,
    pair_index,
)
from refine.oks import pairwise_oks
from refine.skeletons import skeleton

LSP = skeleton("lsp14")


K = len(LSP)


STANDING = np.array(
    [
        (-12, 150), (-12, 112), (-11, 75), (11, 75), (12, 112), (13, 150), (-24, 70), (-22, 45),
        (-17, 18), (17, 18), (22, 45), (24, 70), (0, 12), (0, -12),
    ],
    float,
)  # fmt: skip


PAIRS = np.array(list(itertools.combinations(range(K), 2)))


# Stands in for learned weights: likely if both predicted vectors end within about 20 px.
MODEL = {
    "pair_joints": PAIRS,
    "pair_low": np.zeros((len(PAIRS), 8)),
    "pair_high": np.tile([100, np.pi, 100, np.pi, 1, 1, 1, 1], (len(PAIRS), 1)),
    "pair_weight": np.tile([-12.0, 0, -12, 0, 0, 0, 0, 0, 5], (len(PAIRS), 1)),
}


def people(n, rng, size=480):
    """Standing people side by side, (N, 14, 2) input px."""
    out = []
    for i in range(n):
        tall = rng.uniform(150, 220)
        place = size * (i + 0.5) / n, rng.uniform(40, size - tall - 10)
        out.append((STANDING + rng.normal(0, 3, STANDING.shape)) * tall / 160 + place)
    return np.array(out).clip(0, size - 1)


def encode(xy, rng, size=480, stride=8, noise=1.0, drop=0.0):
    """Make score map, location refinement and pairwise regression, channels last (synthetic)."""
    cells = size // stride
    y, x = np.mgrid[:cells, :cells]
    middle = np.stack([x, y], -1) * stride + stride / 2
    scores = rng.uniform(0, 0.1, (cells, cells, K))
    locref = rng.normal(0, 1, (cells, cells, K, 2))
    pairwise = rng.normal(0, 30, (cells, cells, K * (K - 1), 2))
    for person in xy:
        for k in range(K):
            if np.isnan(person[k]).any() or rng.random() < drop:
                continue
            away = np.hypot(*(middle - person[k]).transpose(2, 0, 1))
            near = away < 12
            scores[near, k] = np.maximum(scores[near, k], 0.95 * np.exp(-((away[near] / 12) ** 2)))
            jitter = rng.normal(0, noise, (int(near.sum()), 2))
            locref[near, k] = (person[k] - middle[near] + jitter) / LOCREF_SCALE
            for j in range(K):
                if j != k and not np.isnan(person[j]).any():
                    told = person[j] - middle[near] + rng.normal(0, 3 * noise, jitter.shape)
                    pairwise[near, pair_index(k, j, K)] = told
    mean, std = rng.normal(0, 5, (2, K * (K - 1), 2))
    std = np.abs(std) + 10
    return {
        "scoremap": scores,
        "locref": locref.reshape(cells, cells, -1),
        "pairwise": ((pairwise - mean) / std).reshape(cells, cells, -1),
        "pairwise_mean": mean,
        "pairwise_std": std,
        "affine": [[2.0, 0, -30], [0, 2.0, 10]],
        **MODEL,
    }


def oks(found, xy):
    truth = (xy - (-30, 10)) / 2
    area = np.prod(np.nanmax(truth, 1) - np.nanmin(truth, 1), axis=1) * 0.53
    table = pairwise_oks(truth, found, area, np.full(K, 0.08), missing="zero")
    return table.max(1)


def candidates(xy, rng, classes=True):
    """Make candidates with a probability of every part, as DeepCut has them (synthetic)."""
    n = len(xy)
    who, what = np.divmod(np.arange(n * K), K)
    d = n * K
    p = rng.uniform(0.01, 0.2, (d, K))
    p[np.arange(d), what] = rng.uniform(0.6, 0.95, d)
    same = np.where(who[:, None] == who, 0.9, 0.1)
    pair = np.full((d, d, K, K), 0.1)
    i = np.arange(d)
    pair[i[:, None], i, what[:, None], what] = same
    fields = {
        "candidate_xy": xy.reshape(-1, 2) + rng.normal(0, 1, (d, 2)),
        "candidate_probability": p if classes else p.max(1),
        "pair_probability": pair if classes else same,
        "affine": [[2.0, 0, -30], [0, 2.0, 10]],
    }
    return fields if classes else {**fields, "candidate_part": what}
