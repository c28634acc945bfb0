"""Synthetic errors against a plain NumPy PoseFix, the published rates, and wrong arguments."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, ks_2samp, kstest

from refine.errors import corrupt
from refine.errors.synthesis import INVALID
from refine.evaluation.kinds import GOOD, INVERSION, JITTER, MISS, SWAP
from refine.evaluation.matching import neighbours
from refine.exceptions import ArrayError, SkeletonError
from refine.skeletons import Skeleton
from tests.oracles.posefix import (
    COCO,
    D10,
    D50,
    D85,
    POSEFIX,
    SCENES,
    agreement,
    sample,
    sample_posefix,
    scene,
)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("name", SCENES)
def test_agrees_with_plain_posefix(name, compat):
    which = SCENES[name]
    times = 200 - 25 * len(which[3])
    theirs = sample_posefix(which, times, np.random.default_rng(1), compat=compat)
    ours = sample(which, 4000, np.random.default_rng(2), compat=compat)
    # 16 tests a scene.
    assert agreement(which, ours, theirs) > 1e-3 / 16


@pytest.mark.parametrize("name", ["alone", "four neighbours"])
def test_the_agreement_test_can_fail(name):
    which = SCENES[name]
    right, quirky = (sample(which, 4000, np.random.default_rng(3), compat=c) for c in (False, True))
    assert agreement(which, right, quirky) < 1e-6


def spread(count, hidden=()):
    """Return a person and neighbours so far apart that no place is in another's way."""
    grid = np.stack(np.meshgrid(np.arange(17), np.arange(count + 1)), -1) * 1000.0
    visible = np.ones(17, bool)
    visible[list(hidden)] = False
    estimated = np.where(visible[:, None], np.nan, grid[0])
    return grid[0], visible, 1e4, grid[1:], np.ones((count, 17), bool), estimated


@pytest.mark.parametrize(
    ("overlap", "hidden"),
    [(0, ()), (1, ()), (3, (0, 1)), (2, range(5)), (0, range(7)), (1, range(7)), (1, range(12))],
)
def test_rates_follow_the_table(overlap, hidden):
    which = spread(overlap, hidden)
    times, visible = 6000, which[1]
    band = POSEFIX.bands(np.array([visible.sum()]), np.array([overlap]), 17)
    table = POSEFIX.rates_for(COCO)[:, :, band[0][0], band[1][0]]
    _, kind = sample(which, times, np.random.default_rng(4))
    statistic, freedom = 0.0, 0
    for j in range(17):
        rates = table[:, j].copy()
        rates[SWAP] *= overlap > 0
        rates[INVERSION] *= COCO.mirror[j] != j and visible[COCO.mirror[j]]
        want = times * rates / rates.sum()
        got = np.bincount(kind[:, j], minlength=5)
        assert (got[want == 0] == 0).all()
        statistic += ((got - want)[want > 0] ** 2 / want[want > 0]).sum()
        freedom += np.count_nonzero(want) - 1
    assert chi2.sf(statistic, freedom) > 1e-3


def test_distances_and_places():
    which = spread(2)
    xy, kind = sample(which, 12000, np.random.default_rng(6))
    places = np.concatenate([which[0][None], which[3]])
    gap = xy[:, :, None, None] - places
    distance = np.hypot(gap[..., 0], gap[..., 1])
    nearest = distance.reshape(*kind.shape, -1).argmin(-1)
    person, joint = np.divmod(nearest, 17)
    own, mirror = np.arange(17), COCO.mirror
    unit = 100 * 2 * COCO.sigmas
    off = distance.min((2, 3)) / unit
    limits = {GOOD: (0, D85), JITTER: (D85, D50), INVERSION: (0, D50), SWAP: (0, D50)}
    for each, (low, high) in {**limits, MISS: (D50, D10)}.items():
        # Uniform in the radius, not over the ring's area.
        assert kstest(off[kind == each], "uniform", (low, high - low)).pvalue > 1e-3
    at_home = (person == 0) & (joint == own)
    assert at_home[(kind == GOOD) | (kind == JITTER)].all()
    assert ((person == 0) & (joint == mirror))[kind == INVERSION].all()
    sided = (kind == SWAP) & (mirror != own)
    share = [((person == p) & (joint == q))[sided].mean() for p in (1, 2) for q in (own, mirror)]
    assert share == pytest.approx([0.25] * 4, abs=0.02)
    # A miss of a sided joint: itself weighs 1, its partner and four swaps a quarter each.
    assert at_home[(kind == MISS) & (mirror != own)].mean() == pytest.approx(1 / 2.25, abs=0.02)
    angle = np.arctan2(*(xy - which[0])[kind == JITTER].T)
    assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


def test_jitter_stays_nearest_to_its_own_joint():
    which = SCENES["four neighbours"]
    xy, kind = sample(which, 2000, np.random.default_rng(7))
    places = np.where(which[1][:, None], which[0], which[5])
    for j in range(17):
        rivals = [*which[3][which[4][:, j], j]]
        if COCO.mirror[j] != j:
            rivals += [*which[3][which[4][:, COCO.mirror[j]], COCO.mirror[j]]]
        if COCO.mirror[j] != j and which[1][COCO.mirror[j]]:
            rivals.append(which[0][COCO.mirror[j]])
        near = xy[(kind[:, j] == GOOD) | (kind[:, j] == JITTER), j]
        own = np.hypot(*(near - places[j]).T)
        assert all((np.hypot(*(near - rival).T) >= own - 1e-9).all() for rival in rivals)


def test_compat_inverts_to_the_corrupted_partner():
    which = spread(0)
    for compat in (False, True):
        xy, kind = sample(which, 3000, np.random.default_rng(8), compat=compat)
        right = np.flatnonzero(COCO.mirror < np.arange(17))
        hit = kind[:, right] == INVERSION
        left = xy[:, right - 1] if compat else np.broadcast_to(which[0][right - 1], (*hit.shape, 2))
        off = np.linalg.norm(xy[:, right] - left, axis=-1) / (200 * COCO.sigmas[right])
        assert hit.sum() > 100
        assert (off[hit] <= D50).all()


def test_compat_skips_the_first_swapped_partner():
    xy, visible, area, near_xy, near_visible, estimated = spread(1, [6])
    near_visible[:, 5] = False
    which = (xy, visible, area, near_xy, near_visible, estimated)
    for compat in (False, True):
        _, kind = sample(which, 1000, np.random.default_rng(9), compat=compat)
        assert (kind[:, 5] == SWAP).any() == (not compat)


def test_joints_at_one_place_are_no_rivals():
    xy, visible, area, near_xy, near_visible, estimated = spread(0)
    xy[4] = xy[3]
    _, kind = sample(
        (xy, visible, area, near_xy, near_visible, estimated), 4000, np.random.default_rng(0)
    )
    assert (kind[:, 4] == GOOD).mean() == pytest.approx(0.82, abs=0.03)


def test_hidden_joints_without_estimate_are_left_out():
    xy, visible, area, near_xy, near_visible, _ = spread(1, [0, 9])
    out, kind = corrupt(
        xy[None], visible[None], np.array([area]), near_xy, near_visible, np.array([0, 1]),
        skeleton=COCO, statistics=POSEFIX, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert (kind[0] == INVALID).tolist() == (~visible).tolist()
    assert np.isnan(out[0]).all(1).tolist() == (~visible).tolist()


def test_a_swap_may_lie_nearer_to_yet_another_person():
    n, unit = 4000, 10.0
    always = {
        kind: dict.fromkeys(("head", "hand"), float(kind == "swap")) for kind in POSEFIX.rates
    }
    near = np.zeros((2 * n, 3, 2))
    near[:, :, 1] = np.tile([500, 500 + unit], n)[:, None]
    alone = Skeleton("crowns", SMALL.joints[:3], sigmas=SMALL.sigmas[:3], regions=SMALL.regions[:3])
    xy, kind = corrupt(
        np.zeros((n, 3, 2)), np.ones((n, 3), bool), np.full(n, 1e4), near,
        np.ones((2 * n, 3), bool), np.arange(n + 1) * 2, skeleton=alone,
        statistics=replace(POSEFIX, rates=always), rng=np.random.default_rng(0),
    )  # fmt: skip
    assert (kind == SWAP).all()
    rng = np.random.default_rng(1)
    radius, angle = rng.uniform(0, D50 * unit, n), rng.uniform(0, 2 * np.pi, n)
    y = 500 + unit * rng.integers(0, 2, n) + radius * np.sin(angle)
    middle = 500 + unit / 2
    assert ks_2samp(np.abs(xy[:, 0, 1] - middle), np.abs(y - middle)).pvalue > 1e-3


def test_nothing_is_clamped():
    which = scene(0, [])
    xy, _ = sample((which[0] - 200, *which[1:]), 500, np.random.default_rng(0))
    assert (xy < -20).any()


def test_depends_on_the_seed_alone():
    which = SCENES["four neighbours"]
    first, again = (sample(which, 50, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    other = sample(which, 50, np.random.default_rng(4))
    assert (first[0] != other[0]).mean() > 0.9
    # Every pose has its own stream: what comes after it does not matter.
    np.testing.assert_array_equal(sample(which, 20, np.random.default_rng(3))[0], first[0][:20])
    assert len(np.unique(first[0][:, 0], axis=0)) == 50


SMALL = Skeleton(
    "small",
    ("crown", "left_paw", "right_paw", "neck"),
    sigmas=np.array([0.05, 0.08, 0.08, np.nan]),
    regions=("head", "hand", "hand", "upper"),
    derived={"neck": ("left_paw", "right_paw")},
)


def test_other_skeletons():
    n = 4000
    xy = np.tile([[0.0, 0], [500, 0], [0, 500], [250, 250]], (n, 1, 1))
    visible = np.ones((n, 4), bool)
    visible[:, 2] = False
    out, kind = corrupt(
        xy, visible, np.full(n, 1e4), np.empty((0, 4, 2)), np.empty((0, 4), bool),
        np.zeros(n + 1, int), skeleton=SMALL, statistics=POSEFIX, rng=np.random.default_rng(0),
        estimated=xy,
    )  # fmt: skip
    assert (kind[:, 3] == INVALID).all()
    assert np.isnan(out[:, 3]).all()
    assert not np.isin(kind[:, 1], (INVERSION, SWAP)).any()
    # 2 of 3 joints are as 11.3 of 17: the third band, paws as wrists.
    assert (kind[:, 1] == MISS).mean() == pytest.approx(0.10 / 0.91, abs=0.02)
    assert (kind[:, 2] == INVERSION).mean() == pytest.approx(0.03 / 0.94, abs=0.01)


def good_arguments():
    xy = np.zeros((2, 17, 2))
    return {
        "xy": xy,
        "visible": np.ones((2, 17), bool),
        "area": np.full(2, 100.0),
        "near_xy": xy[:1],
        "near_visible": np.ones((1, 17), bool),
        "near_start": np.array([0, 1, 1]),
        "skeleton": COCO,
        "statistics": POSEFIX,
        "rng": np.random.default_rng(0),
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("xy", np.zeros((2, 16, 2)), r"xy \(N, 17, 2\) for skeleton 'coco17', got \(2, 16, 2\)"),
        ("xy", np.full((2, 17, 2), np.nan), "pose 0, joint 0: expected finite"),
        ("xy", np.zeros((3, 17, 2)), r"visible \(3, 17\)"),
        ("visible", np.ones((2, 17), int), "of bool, got .* try v > 0"),
        ("area", np.zeros(3), r"area \(2,\)"),
        ("area", np.array([1.0, -1.0]), "pose 1: expected an area"),
        ("area", np.array([1.0, np.nan]), "pose 1: expected an area"),
        ("near_xy", np.full((1, 17, 2), np.inf), "neighbour 0, joint 0: expected finite"),
        ("near_visible", np.ones((2, 17), bool), "near_visible"),
        ("near_start", np.array([0, 1]), r"near_start \(3,\)"),
        ("near_start", np.array([0, 2, 1]), "rising from 0 to 1"),
        ("near_start", np.array([0, 1, 2]), "rising from 0 to 1"),
        ("near_start", np.array([0.0, 1.0, 1.0]), "integers"),
        ("estimated", np.zeros((1, 17, 2)), r"estimated \(2, 17, 2\)"),
    ],
)
def test_wrong_arguments_are_refused(name, value, message):
    corrupt(**good_arguments())
    with pytest.raises(ArrayError, match=message):
        corrupt(**{**good_arguments(), name: value})


def test_needs_sigmas():
    bare = Skeleton("bare", COCO.joints, regions=COCO.regions)
    with pytest.raises(SkeletonError, match="sigmas"):
        corrupt(**{**good_arguments(), "skeleton": bare})


def test_arguments_stay_as_they_are():
    arguments = {**good_arguments(), "estimated": np.ones((2, 17, 2))}
    before = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray)}
    corrupt(**arguments)
    for key, value in before.items():
        np.testing.assert_array_equal(arguments[key], value)


def test_no_poses_and_no_size():
    none = {k: v[:0] if isinstance(v, np.ndarray) else v for k, v in good_arguments().items()}
    xy, kind = corrupt(**{**none, "near_start": np.array([0])})
    assert xy.shape == (0, 17, 2)
    assert kind.shape == (0, 17)
    out, _ = corrupt(**{**good_arguments(), "area": np.zeros(2)})
    assert (out == 0).all()


def test_measured_distances_have_more_quantiles():
    bent = {**POSEFIX.similarity, "good": (1.0, 0.999, 0.85)}
    bent |= {k: (v[0], v[1], v[1]) for k, v in POSEFIX.similarity.items() if k != "good"}
    arguments = {**good_arguments(), "statistics": replace(POSEFIX.scaled(0), similarity=bent)}
    n = 3000
    arguments |= {"xy": np.zeros((n, 17, 2)), "visible": np.ones((n, 17), bool)}
    arguments |= {"area": np.full(n, 1e4), "near_start": np.r_[0, np.ones(n, int)]}
    out, _ = corrupt(**arguments)
    off = np.hypot(*out[:, 0].T) / (200 * COCO.sigmas[0])
    assert (off < np.sqrt(-2 * np.log(0.999))).mean() == pytest.approx(0.5, abs=0.03)
    assert off.max() <= D85


def test_neighbours_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 60, (80, 2))
    box = np.concatenate([corner, corner + rng.uniform(0, 40, (80, 2))], 1)
    image = rng.integers(0, 4, 80)
    index, start = neighbours(box, image)
    for i in range(80):
        low, high = np.maximum(box[i, :2], box[:, :2]), np.minimum(box[i, 2:], box[:, 2:])
        inter = np.prod(np.clip(high - low, 0, None), 1)
        areas = np.prod(box[:, 2:] - box[:, :2], 1)
        iou = inter / (areas[i] + areas - inter + 1e-5)
        want = np.flatnonzero((iou >= 0.1) & (image == image[i]) & (np.arange(80) != i))
        assert index[start[i] : start[i + 1]].tolist() == want.tolist()
    assert len(index) > 80


def test_neighbours_of_nobody_and_of_wrong_boxes():
    index, start = neighbours(np.empty((0, 4)), np.empty(0, int))
    assert (index.tolist(), start.tolist()) == ([], [0])
    assert neighbours(np.zeros((2, 4)), np.zeros(2, int))[1].tolist() == [0, 0, 0]
    with pytest.raises(ArrayError, match=r"\(N, 4\)"):
        neighbours(np.zeros((2, 3)), np.zeros(2, int))
    with pytest.raises(ArrayError, match="person 1"):
        neighbours(np.array([[0, 0, 1, 1], [0, 0, np.nan, 1]]), np.zeros(2, int))
