"""PoseFix's synthesiser in plain NumPy, and how samples of two are compared."""

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp

import refine
from refine.errors import corrupt
from refine.errors.statistics import read_statistics
from refine.errors.synthesis import INVALID
from refine.evaluation.kinds import GOOD, INVERSION, JITTER, MISS, SWAP

D85, D50, D10 = np.sqrt(-2 * np.log([0.85, 0.50, 0.10]))

COCO = refine.skeleton("coco17")


POSEFIX = read_statistics("posefix")


STANDING = np.array(
    [[0, 0], [3, -3], [-3, -3], [7, -1], [-7, -1], [16, 20], [-16, 20], [22, 45], [-22, 45],
     [20, 68], [-21, 66], [10, 70], [-10, 70], [11, 105], [-9, 106], [12, 140], [-11, 139]],
    float,
)  # fmt: skip


def posefix(xy, visible, area, near_xy, near_visible, rng, *, estimated, draws=500, compat=False):
    """Synthesise one COCO pose as PoseFix does: draw every kind many times, filter, choose."""
    synth = np.where(visible[:, None], xy, estimated)
    kinds = np.full(17, INVALID)
    band = POSEFIX.bands(np.array([visible.sum()]), np.array([len(near_xy)]), 17)
    rates = POSEFIX.rates_for(COCO)[:, :, band[0][0], band[1][0]]

    def draw(center, low, high, count):
        radius = rng.uniform(low, high, count)
        angle = rng.uniform(0, 2 * np.pi, count)
        return center + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), radius

    def clear(points, radius, rivals):
        gap = points[:, None] - np.array(rivals).reshape(-1, 2)
        square = gap[..., 0] ** 2 + gap[..., 1] ** 2
        return points[(square > np.reshape(radius, (-1, 1)) ** 2).all(1)]

    centers = synth.copy()
    for j in range(17):
        pair = COCO.mirror[j]
        paired = pair != j
        d85, d50, d10 = np.array([D85, D50, D10]) * np.sqrt(area) * 2 * COCO.sigmas[j]
        swap = list(near_xy[near_visible[:, j], j])
        partner = (synth if compat else centers)[pair]
        inversion = [partner] if paired and visible[pair] else []
        swap_inversion = list(near_xy[near_visible[:, pair], pair]) if paired else []
        places = [centers[j], *swap, *inversion, *swap_inversion]

        def others(c, places=places):
            return places[:c] + places[c + 1 :]

        found = {}
        points, radius = draw(places[0], d85, d50, draws)
        found[JITTER] = clear(points, radius, others(0))
        points, radius = draw(places[0], 0, d85, draws // 4)
        found[GOOD] = clear(points, radius, others(0))
        misses = []
        for c, place in enumerate(places):
            points, _ = draw(place, d50, d10, 4 * draws)
            points = clear(points, d50, others(c))
            if c and len(points):
                points = points[rng.integers(0, len(points), len(points) // 4)]
            misses.append(points)
        found[MISS] = np.concatenate(misses)
        own = 1 + len(swap)
        found[INVERSION] = np.empty((0, 2))
        if inversion:
            points, radius = draw(places[own], 0, d50, draws)
            found[INVERSION] = clear(points, radius, others(own))
        guard = own if (inversion or (compat and swap_inversion)) else 0
        swaps = [np.empty((0, 2))]
        for c in set(range(1, len(places))) - {guard}:
            points, radius = draw(places[c], 0, d50, draws)
            swaps.append(clear(points, radius, [places[0], places[guard]]))
        found[SWAP] = np.concatenate(swaps)

        p = np.array([rates[kind, j] * (len(found[kind]) > 0) for kind in range(5)])
        if p.sum() == 0:
            synth[j] = 0
            continue
        kinds[j] = rng.choice(5, p=p / p.sum())
        synth[j] = found[kinds[j]][rng.integers(len(found[kinds[j]]))]
    return synth, kinds


def scene(count, hidden, seed=5):
    """Return one person in profile, so that places crowd, and his neighbours, for `posefix`."""
    rng = np.random.default_rng(seed)
    xy = STANDING * [0.45, 1] + 200
    visible = np.ones(17, bool)
    visible[hidden] = False
    shift = rng.uniform(-25, 25, (count, 1, 2))
    near_xy = xy + shift + rng.normal(0, 2, (count, 17, 2))
    near_visible = rng.random((count, 17)) < 0.8
    estimated = np.where(visible[:, None], np.nan, xy + rng.normal(0, 3, (17, 2)))
    return xy, visible, 9000.0, near_xy, near_visible, estimated


SCENES = {
    "alone": scene(0, []),
    "one neighbour": scene(1, [4, 8, 13]),
    "four neighbours": scene(4, [2, 3, 6, 9, 11, 12, 14]),
}


def sample(which, times, rng, **options):
    """Corrupt a scene many times over; xy (times, 17, 2) and kind (times, 17)."""
    xy, visible, area, near_xy, near_visible, estimated = which
    return corrupt(
        np.tile(xy, (times, 1, 1)),
        np.tile(visible, (times, 1)),
        np.full(times, area),
        np.tile(near_xy, (times, 1, 1)),
        np.tile(near_visible, (times, 1)),
        np.arange(times + 1) * len(near_xy),
        skeleton=COCO,
        statistics=POSEFIX,
        rng=rng,
        estimated=np.tile(estimated, (times, 1, 1)),
        **options,
    )


def agreement(which, ours, theirs):
    """Least p-value that both samples of a scene come from one distribution."""
    counts = np.array(
        [[np.bincount(kind[:, j], minlength=5) for j in range(17)] for _, kind in (ours, theirs)]
    ).reshape(2, -1)
    p = [chi2_contingency(counts[:, counts.sum(0) > 50]).pvalue]
    xy, visible, area, _, _, estimated = which
    center = np.where(visible[:, None], xy, estimated)
    unit = np.sqrt(area) * 2 * COCO.sigmas
    for kind in range(5):
        gaps = [((out - center) / unit[:, None])[kinds == kind] for out, kinds in (ours, theirs)]
        if len(gaps[1]) > 30:
            p.append(ks_2samp(*(np.hypot(*gap.T) for gap in gaps)).pvalue)
            p += [ks_2samp(gaps[0][:, axis], gaps[1][:, axis]).pvalue for axis in range(2)]
    return min(p)


def sample_posefix(which, times, rng, **options):
    xy, visible, area, near_xy, near_visible, estimated = which
    pairs = [
        posefix(
            xy, visible, area, near_xy, near_visible, rng,
            estimated=estimated, draws=100, **options,
        )
        for _ in range(times)
    ]  # fmt: skip
    return tuple(np.array(each) for each in zip(*pairs, strict=True))
