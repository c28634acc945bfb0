"""Maps of crops read again: kernels against NumPy, and what a second reading may not do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.decoding import decode, decode_heatmaps, raw_heatmaps
from refine.exceptions import ArrayError, FormatError, RefineError, SkeletonError
from refine.poses import Poses
from refine.refiner.pose.refiner import Refiner
from refine.refiner.reread.crops import REACH, STEP, TAKEN, find_rivals, person_side
from refine.refiner.reread.files import leave_one_out, reread, reread_heatmaps, reread_maps
from refine.refiner.reread.kernels import FAINT, read, weigh
from refine.skeletons import skeleton

Y, X = np.mgrid[:64, :48]
COCO = skeleton("coco17")


def bump(x, y, height=1.0, sigma=2.0):
    return height * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * sigma**2))


@pytest.fixture(scope="module")
def refiner():
    return Refiner.load()


def crowd(rng, m=40, peaks=3):
    """Maps (M, H, W) with their peaks: start (M + 1,), at (P, 2)."""
    at = rng.uniform((0, 0), (47, 63), (m, peaks, 2))
    height = np.concatenate([np.ones((m, 1)), rng.uniform(0.2, 1, (m, peaks - 1))], 1)
    maps = np.stack(
        [
            np.max([bump(*p, h) for p, h in zip(a, b, strict=True)], 0)
            for a, b in zip(at, height, strict=True)
        ]
    )
    maps = (maps / maps.max((1, 2), keepdims=True)).astype(np.float32)
    return maps, np.arange(m + 1) * peaks, at.reshape(-1, 2)


def dense_read(maps, start, at, weight, sigma, power):
    """Expected similarity at every cell, by its definition; its highest cell and parabola."""
    cell = np.stack([X.ravel(), Y.ravel()], 1)
    d2 = ((cell[:, None] - cell) ** 2).sum(-1)
    out, modes = [], []
    for m, values in enumerate(maps):
        rows = np.arange(start[m], start[m + 1])
        near = rows[((cell[:, None] - at[rows]) ** 2).sum(-1).argmin(1)]
        v = values.ravel().astype(np.float64)
        mass = np.where(v < FAINT, 0, weight[near] * v**power)
        blurred = (np.exp(-d2 / (2 * sigma[m] ** 2)) @ mass).reshape(64, 48)
        y, x = np.unravel_index(blurred.argmax(), blurred.shape)
        point = [float(x), float(y)]
        for axis, (i, n) in enumerate(((x, 48), (y, 64))):
            if 0 < i < n - 1:
                line = np.log(blurred[y] if axis == 0 else blurred[:, x])
                a, b, c = line[i - 1 : i + 2]
                point[axis] += np.clip((a - c) / (2 * (a - 2 * b + c)), -0.5, 0.5)
        out.append(point)
        modes.append(near[y * 48 + x])
    return np.array(out), np.array(modes)


def test_read_is_the_dense_posterior():
    rng = np.random.default_rng(0)
    maps, start, at = crowd(rng, 12)
    weight, sigma = rng.uniform(0.05, 1, len(at)), rng.uniform(0.5, 8, len(maps))
    xy, mode = np.empty((12, 2)), np.empty(12, np.int64)
    read(maps, start, at, weight, sigma, 3.0, xy, mode)
    expected, modes = dense_read(maps, start, at, weight, sigma, 3.0)
    np.testing.assert_allclose(xy, expected, atol=1e-6)
    np.testing.assert_array_equal(mode, modes)


def test_weigh_is_prior_times_rivals():
    rng = np.random.default_rng(1)
    n, k, m, per = 3, 4, 2, 3
    start, p = np.arange(n * k + 1) * per, n * k * per
    at, value = rng.uniform(0, 40, (p, 2)), rng.uniform(0.1, 1, p)
    expected, spread = rng.uniform(0, 40, (n, k, 2)), rng.uniform(1, 9, (n, k))
    expected[0, 0] = np.nan
    sigma = rng.uniform(2, 20, (n, k))
    rival, score = rng.uniform(0, 40, (n, m, k, 2)), rng.uniform(0, 1, (n, m, k))
    rival[1, 1] = np.nan
    got = weigh(start, at, value, expected, spread, sigma, rival, score, 0.3, REACH, TAKEN)
    spots, heights = at.reshape(n, k, per, 2), value.reshape(n, k, per)
    far = np.abs(spots - expected[:, :, None]).sum(-1) / spread[..., None]
    prior = np.exp(-0.3 * np.minimum(np.nan_to_num(far, nan=0.0), REACH))
    d2 = ((spots[:, None] - rival[:, :, :, None]) ** 2).sum(-1)
    claim = score[..., None] * np.exp(-d2 / (2 * sigma[:, None, :, None] ** 2))
    taken = (np.nan_to_num(claim, nan=0.0) > heights[:, None]).any(1)
    assert taken.any()
    np.testing.assert_allclose(got, (prior * np.where(taken, TAKEN, 1)).ravel(), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.floats(8, 39), st.floats(8, 55)),
    st.floats(1.2, 3.0),
    st.floats(0.3, 12),
    st.floats(0.05, 40),
    st.tuples(st.floats(-30, 80), st.floats(-30, 80)),
    st.floats(0.1, 20),
)
def test_one_clear_peak_stays_where_fit_puts_it(at, width, sigma, height, expected, spread):
    maps = bump(*at, height, width)[None, None].astype(np.float32)
    got = reread_maps(maps, [[sigma]], [[expected]], [[spread]])
    xy, score = decode_heatmaps(maps)
    np.testing.assert_allclose(got.xy, xy, atol=0.05)
    np.testing.assert_allclose(got.score, score, rtol=1e-6)
    assert not got.moved.any()


@pytest.mark.parametrize("at", [(0.3, 20.0), (-0.6, 30.0), (46.8, 62.9), (20.0, 1.2)])
def test_at_the_border_the_fit_counts(at):
    maps = bump(*at)[None, None].astype(np.float32)
    np.testing.assert_allclose(reread_maps(maps, [[6.0]]).xy[0, 0], at, atol=0.02)


def test_the_prior_chooses_between_peaks_that_are_alike():
    maps = np.maximum(bump(12, 20), bump(36, 40, 0.95))[None, None]
    assert not reread_maps(maps, [[3.0]]).moved.any()
    got = reread_maps(maps, [[3.0]], [[[35.0, 42.0]]], [[3.0]])
    np.testing.assert_allclose(got.xy[0, 0], [36, 40], atol=0.05)
    assert got.moved.all()
    assert got.score[0, 0] == pytest.approx(0.95, abs=1e-6)
    clear = np.maximum(bump(12, 20), bump(36, 40, 0.5))[None, None]
    assert not reread_maps(clear, [[3.0]], [[[35.0, 42.0]]], [[3.0]]).moved.any()


def test_many_small_peaks_outweigh_one():
    # Three peaks within reach of one another are likelier to be near than one a little higher.
    near = [bump(34, 40, 0.9, 1), bump(38, 40, 0.9, 1), bump(36, 44, 0.9, 1)]
    maps = np.max([bump(10, 10, 1, 1), *near], 0)[None, None]
    np.testing.assert_allclose(reread_maps(maps, [[1.0]]).xy[0, 0], [10, 10], atol=0.1)
    assert np.abs(reread_maps(maps, [[6.0]]).xy[0, 0] - [36, 41.3]).max() < 1


def test_another_persons_peak_is_given_up():
    maps = np.maximum(bump(12, 20, 0.8), bump(36, 40, 0.6))[None, None]
    theirs = np.array([[[[12.5, 20.0]]]])
    got = reread_maps(maps, [[3.0]], rival_xy=theirs, rival_score=[[[0.9]]])
    np.testing.assert_allclose(got.xy[0, 0], [36, 40], atol=0.05)
    # They see it less clearly: it is ours.
    assert not reread_maps(maps, [[3.0]], rival_xy=theirs, rival_score=[[[0.5]]]).moved.any()


def test_maps_without_a_peak():
    maps = np.zeros((1, 4, 8, 8))
    maps[0, 1] = -1
    maps[0, 2, 3, 3] = np.nan
    maps[0, 3, 3, 3] = np.inf
    got = reread_maps(maps, np.ones((1, 4)))
    assert np.isnan(got.xy).all()
    assert np.isnan(got.score).all()
    assert reread_maps(np.empty((0, 17, 8, 8)), np.empty((0, 17))).xy.shape == (0, 17, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.ones((17, 8, 8))}, r"heatmaps \(N, K, H, W\)"),
        ({"maps": np.array([[[["a"]]]])}, "real numbers"),
        ({"sigma": np.ones((1, 2))}, r"sigma \(1, 3\)"),
        ({"sigma": np.zeros((1, 3))}, "positive sigmas"),
        ({"expected": np.ones((1, 3))}, r"expected \(1, 3, 2\)"),
        ({"rival_xy": np.ones((1, 2, 3, 2))}, r"rival_xy \(1, 0, 3, 2\)"),
        ({"power": 0.0}, "positive power"),
        ({"pull": np.nan}, "pull from 0"),
    ],
)
def test_bad_input(change, message):
    arguments = {"maps": np.ones((1, 3, 8, 8)), "sigma": np.ones((1, 3)), **change}
    with pytest.raises(ArrayError, match=message):
        reread_maps(**arguments)


FIGURE = np.array(
    [[24, 8], [26, 6], [22, 6], [28, 7], [20, 7], [31, 15], [17, 15], [33, 24], [15, 24], [34, 32],
     [14, 32], [29, 33], [19, 33], [29, 44], [19, 44], [29, 55], [19, 55]], np.float64
)  # fmt: skip


def made(n=9, seed=0):
    """Raw heatmaps of n people, one an image, with their joints in cells."""
    xy = FIGURE + np.random.default_rng(seed).normal(0, 0.4, (n, 17, 2))
    maps = np.array([[bump(*p, 0.9) for p in one] for one in xy], np.float32)
    boxes = np.tile([0.0, 0, 100, 200], (n, 1))
    return xy, [
        raw_heatmaps({"heatmaps": maps[i : i + 1], "box_xywh": boxes[i : i + 1], "image_id": [i]})
        for i in range(n)
    ]


def test_a_joint_left_out_does_not_speak_for_itself(refiner):
    poses = Poses.from_arrays(COCO, FIGURE[None] * 4, np.full((1, 17), 0.9), score_kind="peak")
    there, spread = leave_one_out(refiner, poses)
    assert there.shape == (1, 17, 2)
    astray = poses.xy.copy()
    astray[0, 9] += 90
    again, other = leave_one_out(refiner, poses.replace(xy=astray))
    np.testing.assert_array_equal(again[0, 9], there[0, 9])
    np.testing.assert_array_equal(other[0, 9], spread[0, 9])
    assert (np.delete(again, 9, 1) != np.delete(there, 9, 1)).any()
    assert (np.abs(there - poses.xy).sum(-1) < 10 * spread).all()


def test_clear_maps_are_left_alone(refiner):
    _, raws = made()
    before = [raw.heatmaps.copy() for raw in raws]
    first = Poses.concat([decode(raw, "refine") for raw in raws])
    again = reread(raws, "refine", refiner)
    for raw, maps in zip(raws, before, strict=True):
        np.testing.assert_array_equal(raw.heatmaps, maps)
    limit = STEP * 2 * COCO.sigmas * person_side(first)[:, None]
    # A twentieth of a cell, and the step toward the refiner's belief.
    per_cell = 100 * 1.25 / 48
    assert (np.linalg.norm(again.xy - first.xy, axis=-1) <= limit + 0.1 * per_cell).all()
    np.testing.assert_allclose(again.score, first.score, rtol=1e-6)
    assert again.history[-1].name == "reread"
    assert again.history[-1].parameters == {"joints": 0}
    assert again.history[-1].weights == refiner.weights
    assert [e["source_score"] for e in again.extra] == first.instance_score.tolist()
    assert ((again.instance_score > 0.8) & (again.instance_score < 0.95)).all()


def test_options_of_the_decoder_hold(refiner):
    _, raws = made(2)
    mirrored = [
        raw_heatmaps(
            {
                "heatmaps": raw.heatmaps,
                "heatmaps_flipped_input": raw.heatmaps[:, COCO.mirror][..., ::-1],
                "box_xywh": [[0.0, 0, 100, 200]],
                "image_id": [i],
            }
        )
        for i, raw in enumerate(raws)
    ]
    plain = reread_heatmaps(mirrored, "refine", refiner, flip=False)
    merged = reread_heatmaps(mirrored, "refine", refiner, flip_shift=0.0)
    shifted = reread_heatmaps(mirrored, "refine", refiner, flip_shift=2.0, threads=2)
    np.testing.assert_allclose(plain.xy, merged.xy, atol=0.05)
    assert np.median(shifted.xy[..., 0] - merged.xy[..., 0]) > 1
    with pytest.raises(RefineError, match="expected an option of heatmap outputs, got colour"):
        reread_heatmaps(raws, "refine", refiner, colour=1)


def test_a_double_peak_goes_to_the_nearer_person(refiner):
    xy, _ = made(2)
    maps = np.array([[bump(*p, 0.9) for p in one] for one in xy], np.float32)
    # Both crops show the same part of the image; the second person stands 6 cells to the right
    # and its wrist is seen better from the first crop than from its own.
    maps[1] = [bump(p[0] + 12, p[1], 0.9) for p in xy[1]]
    maps[1, 9] = np.maximum(bump(*xy[0, 9], 0.7), bump(xy[1, 9, 0] + 12, xy[1, 9, 1], 0.65))
    raw = raw_heatmaps({"heatmaps": maps, "box_xywh": [[0.0, 0, 100, 200]] * 2, "image_id": [3, 3]})
    first = decode(raw, "refine")
    per_cell = first.xy[0, 0, 0] / xy[0, 0, 0]
    assert abs(first.xy[1, 9, 0] - first.xy[0, 9, 0]) < per_cell
    again = reread([raw], "refine", refiner)
    assert abs(again.xy[1, 9, 0] - first.xy[0, 9, 0]) > 8 * per_cell
    assert again.history[-1].parameters == {"joints": 1}


def test_the_same_person_twice_is_no_rival():
    xy = np.stack([FIGURE, FIGURE + 0.5, FIGURE + np.array([40, 0]), FIGURE])
    poses = Poses.from_arrays(COCO, xy, image=[0, 0, 0, 1])
    rivals = find_rivals(poses, person_side(poses))
    assert rivals.tolist() == [[2, -1], [2, -1], [0, 1], [-1, -1]]


def test_files_that_cannot_be_read_again(refiner):
    _, raws = made(1)
    with pytest.raises(FormatError, match="at least one file"):
        reread([], "refine", refiner)
    with pytest.raises(RefineError, match=r"heatmap or paf.*'posenet' of family 'personlab'"):
        reread(raws, "posenet", refiner)
    with pytest.raises(FormatError, match="expected RawImage for preset 'tf-pose'"):
        reread(raws, "tf-pose", refiner)
    bare = replace(COCO, sigmas=None)
    with pytest.raises(SkeletonError, match="OKS sigmas"):
        reread(raws, "refine", refiner, skeleton=bare)
