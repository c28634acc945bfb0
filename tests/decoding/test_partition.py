"""Partitioning against enumeration, the fast solver against the exact one, and ideal outputs.

No real outputs of DeepCut or DeeperCut are at hand: the encoders here make them from known people,
with noise, duplicates, clutter and truncation.
"""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.decoding import decode, raw_image
from refine.decoding.partition.arrays import logit_cost, partition_cost, solve_fast
from refine.decoding.partition.candidates import (
    LOCREF_SCALE,
    assemble,
    extract_candidates,
    pair_features,
    pair_index,
    pair_probability,
    read_pair_model,
)
from refine.decoding.partition.ilp import solve_ilp
from refine.exceptions import ArrayError, FormatError, RefineError, SkeletonError
from tests.oracles.partition import MODEL, K, candidates, encode, oks, people


def random_problem(rng, d, classes, sparse=0.0):
    """Draw costs without any structure."""
    pair = rng.normal(0, 2, (d, d, classes, classes))
    pair[rng.random((d, d)) < sparse] = 0
    pair = np.where(np.triu(np.ones((d, d), bool), 1)[..., None, None], pair, 0)
    return rng.normal(0, 2, (d, classes)), pair + pair.transpose(1, 0, 3, 2)


def best_by_enumeration(unary, pair):
    """Return the least cost of all partitions into any clusters with any classes."""
    d, classes = unary.shape
    best = 0.0
    for label in itertools.product(range(-1, classes), repeat=d):
        used = [i for i in range(d) if label[i] >= 0]
        base = sum(unary[i, label[i]] for i in used)
        for cluster in itertools.product(range(len(used)), repeat=len(used)):
            if any(c > max(cluster[:n], default=-1) + 1 for n, c in enumerate(cluster)):
                continue
            joined = sum(
                pair[i, j, label[i], label[j]]
                for (i, a), (j, b) in itertools.combinations(zip(used, cluster, strict=True), 2)
                if a == b
            )
            best = min(best, base + joined)
    return best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(5, 1), (4, 2), (3, 3), (1, 2), (0, 1)]))
def test_exact_solver_finds_the_least_of_all_partitions(seed, shape):
    unary, pair = random_problem(np.random.default_rng(seed), *shape, sparse=0.2)
    found = solve_ilp(unary, pair)
    np.testing.assert_allclose(found.cost, best_by_enumeration(unary, pair), atol=1e-9)
    np.testing.assert_allclose(found.cost, partition_cost(unary, pair, *found[:2]), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(12, 1), (6, 2), (1, 1), (0, 3), (20, 4)]))
def test_fast_solver_keeps_its_books(seed, shape):
    unary, pair = random_problem(np.random.default_rng(seed), *shape, sparse=0.3)
    label, cluster, cost = solve_fast(unary, pair)
    np.testing.assert_allclose(cost, partition_cost(unary, pair, label, cluster), atol=1e-9)
    assert cost <= 1e-9
    np.testing.assert_array_equal(label < 0, cluster < 0)
    # No single candidate can be moved, relabelled or suppressed to any gain.
    for i, c in itertools.product(range(shape[0]), range(-1, shape[1])):
        for g in {-1} if c < 0 else {*cluster[cluster >= 0], shape[0]}:
            other_label, other = label.copy(), cluster.copy()
            other_label[i], other[i] = c, g
            assert partition_cost(unary, pair, other_label, other) >= cost - 1e-8


def people_problem(rng, people, parts=14, classes=1, noise=1.5):
    """Draw costs of candidates of people, some missing, some double, and of clutter."""
    who, what = [], []
    for p, k in itertools.product(range(people), range(parts)):
        for _ in range(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])):
            who.append(p)
            what.append(k)
    for _ in range(people * parts // 10):
        who.append(-1 - len(who))
        what.append(rng.integers(parts))
    who, what = np.array(who), np.array(what)
    d = len(who)
    right = -np.where(who >= 0, 1.5, -1.5) + rng.normal(0, 1, d)
    same = -np.where(who[:, None] == who, 1.5, -1.5) + rng.normal(0, noise, (d, d))
    if classes == 1:
        unary, pair = right[:, None], same[..., None, None]
    else:
        i = np.arange(d)
        unary = rng.normal(2, 0.5, (d, classes))
        unary[i, what] = right
        pair = rng.normal(2, 0.5, (d, d, classes, classes))
        pair[i[:, None], i, what[:, None], what] = same
    pair = pair * np.triu(np.ones((d, d)), 1)[..., None, None]
    return unary, pair + pair.transpose(1, 0, 3, 2), who


@pytest.mark.parametrize(("people", "parts", "classes"), [(2, 14, 1), (1, 5, 5)])
def test_fast_solver_equals_the_exact_one(people, parts, classes):
    rng = np.random.default_rng(people)
    equal = 0
    for _ in range(6):
        unary, pair, _ = people_problem(rng, people, parts, classes)
        exact = solve_ilp(unary, pair, max_variables=20_000).cost
        fast = solve_fast(unary, pair).cost
        assert exact - 1e-9 <= fast <= 0.97 * exact
        equal += fast <= exact + 1e-9
    assert equal >= 5


def test_people_are_told_apart():
    unary, pair, who = people_problem(np.random.default_rng(1), 6, noise=1)
    label, cluster, _ = solve_fast(unary, pair)
    pairs = (label[:, None] >= 0) & (label >= 0) & ~np.eye(len(who), dtype=bool)
    agree = (cluster[:, None] == cluster) == (who[:, None] == who)
    assert agree[pairs].mean() > 0.99
    assert cluster.max() >= 5


@pytest.mark.parametrize("solve", [solve_fast, solve_ilp])
def test_candidates_without_a_pair_term_stay_apart(solve):
    pair = np.zeros((4, 4))
    pair[0, 1] = pair[1, 0] = pair[2, 3] = pair[3, 2] = -1
    assert solve(np.full((4, 1), -1.0), pair).cluster.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("solve", [solve_fast, solve_ilp])
def test_classes_and_clusters_are_decided_together(solve):
    # Each alone would be class 0; together they are worth more as 0 and 1.
    unary = [[-1.0, -0.5], [-1.0, -0.5]]
    pair = np.zeros((2, 2, 2, 2))
    pair[0, 1] = [[5, -3], [1, 5]]
    pair[1, 0] = pair[0, 1].T
    found = solve(unary, pair)
    assert found.label.tolist() == [0, 1]
    assert found.cluster.tolist() == [0, 0]
    assert found.cost == -4.5


@pytest.mark.parametrize("solve", [solve_fast, solve_ilp])
def test_weak_candidates_live_by_their_neighbours(solve):
    pair = np.array([[0, -2.0, 0], [-2, 0, 0], [0, 0, 0]])
    assert solve([[-1.0], [1.5], [0.1]], pair).label.tolist() == [0, 0, -1]


def test_exact_solver_refuses_what_it_cannot_solve():
    unary, pair, _ = people_problem(np.random.default_rng(0), 8)
    with pytest.raises(RefineError, match=r"at most 4000 variables.*fast solver"):
        solve_ilp(unary, pair)
    with pytest.raises(RefineError, match="expected an optimum within"):
        solve_ilp(unary, pair, max_variables=10**6, time_limit=1e-6)


def test_bad_costs():
    for unary, pair, message in (
        (np.zeros((3, 1)), np.zeros((2, 2)), "expected unary"),
        (np.zeros(3), np.zeros((3, 3)), "expected unary"),
        (np.zeros((3, 2)), np.zeros((3, 3)), "expected unary"),
        (np.full((2, 1), np.nan), np.zeros((2, 2)), "finite costs"),
        (np.zeros((2, 1)), [[0, 1], [2, 0]], r"pair\[j, i, b, a\]"),
    ):
        for solve in (solve_fast, solve_ilp):
            with pytest.raises(ArrayError, match=message):
                solve(unary, pair)
    with pytest.raises(ArrayError, match="probabilities"):
        logit_cost([0.5, 1.5])


def test_logit_cost_is_clamped():
    np.testing.assert_allclose(logit_cost([0.9, 0, 1]), [np.log(1 / 9), 16.118096, -16.118096])


def suppressed(plane, radius, least):
    """Suppress discs around maxima one cell at a time."""
    left = np.where(plane >= least, plane, -np.inf)
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    out = []
    while np.isfinite(left).any():
        j, i = np.unravel_index(left.argmax(), left.shape)
        out.append((i, j))
        left[(x - i) ** 2 + (y - j) ** 2 <= np.ceil(radius) ** 2] = -np.inf
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2.5, 5]))
def test_candidates_equal_a_plain_suppression(seed, radius):
    rng = np.random.default_rng(seed)
    scores = rng.random((*rng.integers(1, 20, 2), 2)).round(2)
    locref = rng.normal(size=(*scores.shape, 2))
    found = extract_candidates(scores, locref, stride=4, radius=radius, min_score=0.4)
    for k in range(2):
        cells = np.array(suppressed(scores[..., k], radius, 0.4), int).reshape(-1, 2)
        mine = found.part == k
        np.testing.assert_allclose(found.cell_xy[mine], cells * 4 + 2)
        i, j = cells.T
        np.testing.assert_allclose(found.probability[mine], scores[j, i, k])
        np.testing.assert_allclose(found.xy[mine], cells * 4 + 2 + locref[j, i, k] * 7.2801)


def test_pair_features_compare_prediction_and_place():
    # Part 0 at (12, 12) + (3, 0); part 1 in the cell of (44, 12).
    scores, locref = np.zeros((3, 6, 2)), np.zeros((3, 6, 2, 2))
    scores[1, 1, 0] = scores[1, 5, 1] = 0.9
    locref[1, 1, 0] = 3 / LOCREF_SCALE, 0
    vectors = np.zeros((3, 6, 2, 2))
    vectors[1, 1, pair_index(0, 1, 2)] = 0, 32
    vectors[1, 5, pair_index(1, 0, 2)] = -29, 4
    found = extract_candidates(scores, locref, vectors)
    features = pair_features(found, np.array([0]), np.array([1]), 2)
    expected = [[np.hypot(32, 32), np.pi / 2, 4, np.arctan2(4, 29)]]
    np.testing.assert_allclose(features, expected)
    other = pair_features(found, np.array([1]), np.array([0]), 2)
    np.testing.assert_allclose(other, np.roll(expected, 2))


def test_pair_probability(tmp_path):
    scores = np.zeros((12, 12, 2))
    scores[1, 1, 0] = scores[1, 8, 0] = scores[8, 1, 1] = 0.9
    vectors = np.zeros((12, 12, 2, 2))
    found = extract_candidates(scores, None, vectors)
    fields = {k: v[:1] for k, v in MODEL.items()}
    np.savez(tmp_path / "model.npz", **fields)
    model = read_pair_model(tmp_path / "model.npz")
    p = pair_probability(found, model, 2)
    assert p[0, 1] == pytest.approx(1 / (1 + np.exp(0.2 * 56 - 7.5)))
    f = pair_features(found, np.array([0]), np.array([2]), 2)[0]
    expected = 1 / (1 + np.exp(-(-12 * f[0] / 100 - 12 * f[2] / 100 + 5)))
    assert p[0, 2] == p[2, 0] == pytest.approx(expected)
    model = model._replace(joints=np.array([[0, 5]]))
    assert pair_probability(found, model, 2)[0, 2] == 0.5
    for broken in ("pair_weight", "pair_low"):
        np.savez(tmp_path / "broken.npz", **{k: v for k, v in fields.items() if k != broken})
        with pytest.raises(FormatError, match=broken):
            read_pair_model(tmp_path / "broken.npz")


def test_people_are_weighted_means():
    xy = np.array([[0.0, 0], [10, 0], [5, 5], [9, 9]])
    part, p = np.array([1, 1, 0, 0]), np.array([0.2, 0.6, 0.5, 0.9])
    mean, score = assemble(xy, part, p, np.array([0, 0, 0, -1]), 3)
    np.testing.assert_allclose(mean[0], [[5, 5], [7.5, 0], [np.nan] * 2])
    np.testing.assert_allclose(score[0], [0.5, 0.6, 0])


@pytest.mark.parametrize(
    ("case", "least"), [("clean", 0.98), ("noise", 0.9), ("crowd", 0.9), ("truncated", 0.95)]
)
def test_deepercut_outputs_come_back(case, least):
    rng = np.random.default_rng(4)
    xy = people({"crowd": 6}.get(case, 3), rng)
    if case == "truncated":
        xy[0, :2] = np.nan
        xy[2, 5:9] = np.nan
    arrays = encode(xy, rng, noise={"noise": 3.0}.get(case, 1.0))
    poses = decode(raw_image(arrays), "deepercut", min_joints=3)
    assert len(poses) == len(xy)
    assert oks(poses.xy, xy).min() > least
    np.testing.assert_array_equal(np.sort(poses.present.sum(1)), np.sort((xy[..., 0] > 0).sum(1)))
    np.testing.assert_allclose(poses.instance_score, poses.score.mean(1))


def test_exact_and_fast_decode_alike():
    rng = np.random.default_rng(6)
    arrays = encode(people(2, rng), rng, drop=0.2)
    fast, exact = (decode(raw_image(arrays), "deepercut", solver=s) for s in ("fast", "ilp"))
    np.testing.assert_allclose(fast.xy, exact.xy)


@pytest.mark.parametrize("classes", [True, False])
def test_deepcut_candidates_come_back(classes):
    rng = np.random.default_rng(8)
    xy = people(3, rng)
    arrays = candidates(xy, rng, classes)
    poses = decode(raw_image(arrays), "deepcut")
    assert len(poses) == 3
    assert oks(poses.xy, xy).min() > 0.98
    logits = dict(arrays)
    for name in ("candidate", "pair"):
        p = logits.pop(f"{name}_probability")
        logits[f"{name}_logit"] = np.log(p / (1 - p))
    np.testing.assert_allclose(decode(raw_image(logits), "deepcut").xy, poses.xy)


def test_a_single_candidate_and_none():
    affine = [[1.0, 0, 0], [0, 1, 0]]
    one = {
        "candidate_xy": [[3.0, 4.0]],
        "candidate_part": [2],
        "candidate_probability": [0.8],
        "pair_probability": [[0.5]],
        "affine": affine,
    }
    for solver in ("fast", "ilp"):
        poses = decode(raw_image(one), "deepcut", solver=solver)
        np.testing.assert_allclose(poses.xy[:, 2], [[3, 4]])
        assert poses.score[0, 2] == pytest.approx(0.8)
    maps = {"scoremap": np.zeros((6, 6, K)), "affine": affine, **MODEL}
    assert len(decode(raw_image(maps), "deepercut")) == 0


@pytest.mark.parametrize("preset", ["deepcut", "deepercut"])
def test_command_line(preset, cli, tmp_path):
    rng = np.random.default_rng(2)
    xy = people(2, rng)
    arrays = encode(xy, rng) if preset == "deepercut" else candidates(xy, rng, False)
    np.savez(tmp_path / "000000000042.npz", **arrays)
    for solver in ("fast", "ilp"):
        result = cli(
            "decode", tmp_path / "000000000042.npz", "--preset", preset,
            "--set", f"solver={solver}", "-o", "-",
        )  # fmt: skip
        assert result.code == 0, result.err
        rows = json.loads(result.out)
        assert [r["image_id"] for r in rows] == [42, 42]
        found = np.array([r["keypoints"] for r in rows]).reshape(-1, K, 3)[..., :2]
        assert oks(found, xy).min() > 0.95


def test_bad_files_say_what_is_missing(cli, tmp_path):
    rng = np.random.default_rng(0)
    arrays = encode(people(1, rng), rng)
    del arrays["pair_weight"]
    np.savez(tmp_path / "a.npz", **arrays)
    result = cli("decode", tmp_path / "a.npz", "--preset", "deepercut", "-o", tmp_path / "o.json")
    assert result.code == 3
    assert "pair_weight" in result.err
    assert not (tmp_path / "o.json").exists()
    with pytest.raises(SkeletonError, match="expected 17 parts"):
        decode(raw_image(arrays), "deepercut", skeleton="coco17")
    given = candidates(people(1, rng), rng, False)
    for change in (
        {"candidate_part": np.full(K, 99)},
        {"candidate_probability": np.full(3, 0.5)},
        {"candidate_xy": np.full((K, 2), np.nan)},
        {"pair_probability": np.full((K, K), 2.0)},
        {"pair_probability": np.full((3, 3), 0.5)},
    ):
        with pytest.raises(FormatError):
            decode(raw_image({**given, **change}), "deepcut")
    for change in (
        {"locref": np.zeros((5, 5, 2))},
        {"pairwise_std": np.zeros(3)},
        {"scoremap": np.full((60, 60, K), np.nan)},
    ):
        with pytest.raises(FormatError):
            decode(raw_image({**encode(people(1, rng), rng), **change}), "deepercut")
    with pytest.raises(RefineError, match=r"'solver'.*'greedy'.*one of fast, ilp"):
        decode(raw_image(given), "deepcut", solver="greedy")
