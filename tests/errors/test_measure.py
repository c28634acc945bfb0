"""Measured statistics: what was put in comes out; the form; the tables that ship."""

import tomllib

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from refine.errors.copula import fit_loadings, tetrachoric
from refine.errors.measure import measure_statistics
from refine.errors.sources import limbs
from refine.errors.statistics import read_statistics, statistics_from_table, statistics_names
from refine.errors.synthesis import corrupt
from refine.errors.toml import statistics_to_toml
from refine.evaluation.kinds import GOOD, KINDS, MISS, SWAP
from refine.evaluation.matching import neighbours
from refine.exceptions import ArrayError, FormatError
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

BODY = skeleton("coco17")
SIZE = 200.0
PERSONS = 1500


def people(rng, n=PERSONS):
    """Draw persons two an image, boxes overlapping, all joints labelled, some hidden."""
    at = (
        rng.uniform(0, 40, (n, 1, 2))
        + np.array([SIZE * 0.5, 0]) * (np.arange(n) % 2)[:, None, None]
    )
    xy = at + rng.uniform(0, SIZE, (n, 17, 2))
    box = np.concatenate([at[:, 0], at[:, 0] + SIZE], 1)
    image = np.arange(n) // 2
    return Poses.from_arrays(
        BODY,
        xy,
        score=rng.choice([1, 2], (n, 17), p=[0.3, 0.7]),
        image=image,
        images=[ImageRef(int(i)) for i in range(n // 2)],
        score_kind="flag",
        box=box,
        area=np.full(n, SIZE**2 / 2),
    )


@pytest.fixture(scope="module")
def corrupted():
    """Persons, and what PoseFix's table makes of them."""
    rng = np.random.default_rng(0)
    truth = people(rng)
    near, start = neighbours(truth.box, truth.image)
    shown = np.ones((len(truth), 17), bool)
    xy, kind = corrupt(
        truth.xy,
        shown,
        truth.area,
        truth.xy[near],
        shown[near],
        start,
        skeleton=BODY,
        statistics=read_statistics("posefix").scaled(0.7),
        rng=rng,
    )
    score = np.where(kind == GOOD, 1.0, 0.0) + rng.normal(size=kind.shape)
    return (
        truth,
        kind,
        truth.replace(
            xy=xy, score=score, score_kind="peak", instance_score=rng.random(len(truth)), area=None
        ),
    )


def test_rates_come_back(corrupted):
    truth, kind, poses = corrupted
    found = measure_statistics(truth, poses, name="mine", source="made")
    share = [found.counts[k] / found.counts["joints"] for k in KINDS]
    want = np.bincount(kind.ravel(), minlength=5) / kind.size
    # Errors that land near another place or joint are classified as what they look like.
    np.testing.assert_allclose(share, want, atol=0.02)
    rates = found.rates_for(BODY)
    hip, eye = BODY.index("left_hip"), BODY.index("left_eye")
    full = (3, 1)
    for joint in (hip, eye):
        either = [joint, BODY.mirror[joint]]
        real = np.bincount(kind[:, either].ravel(), minlength=5) / kind[:, either].size
        np.testing.assert_allclose(rates[:, joint, *full], real, atol=0.03)
    assert found.omission is None
    assert found.counts["persons"] > 0.98 * PERSONS


def test_distances_come_back(corrupted):
    truth, _, poses = corrupted
    found = measure_statistics(truth, poses, name="mine", source="made")
    got, want = found.distances(), read_statistics("posefix").distances()
    assert got.shape == (5, 21)
    for k, kind in enumerate(KINDS):
        uniform = np.linspace(*want[k], 21)
        tolerance = 0.15 if kind in ("inversion", "swap") else 0.06
        if k != MISS:
            np.testing.assert_allclose(got[k], uniform, atol=tolerance)
    assert got[MISS, 0] == pytest.approx(want[MISS, 0])
    assert got[MISS, 10] > got[MISS, 0]


def test_few_joints_keep_to_the_coarser_rates(corrupted):
    truth, _, poses = corrupted
    found = measure_statistics(truth, poses, name="mine", source="made", image_ids=[0, 1])
    rates = found.rates_for(BODY)
    share = found.counts["good"] / found.counts["joints"]
    # Two joints an image against fifty of the prior.
    np.testing.assert_allclose(rates[GOOD, :, 0, 0], share, atol=0.06)
    assert np.ptp(rates[GOOD]) > 0
    np.testing.assert_allclose(rates.sum(0), 1)


def test_cells_differ_where_there_is_enough():
    rng = np.random.default_rng(1)
    truth = people(rng)
    alone = np.arange(PERSONS) % 2 == 0
    wrong = (rng.random((PERSONS, 17)) < np.where(alone, 0.05, 0.4)[:, None])[..., None]
    truth = truth.replace(
        image=np.where(alone, 0, 1) + truth.image * 2,
        images=tuple(ImageRef(i) for i in range(PERSONS)),
    )
    few = truth.replace(
        xy=np.where(alone[:, None, None] | (np.arange(17) < 5)[:, None], truth.xy, np.nan)
    )
    few = few.replace(score=np.where(few.present, 2, 0))
    poses = truth.replace(
        xy=np.where(wrong, truth.xy + SIZE * 3, truth.xy), instance_score=rng.random(PERSONS)
    )
    rates = measure_statistics(few, poses, name="mine", source="").rates_for(BODY)
    assert rates[MISS, 0, 3, 0] == pytest.approx(0.05, abs=0.02)
    assert rates[MISS, 0, 0, 0] == pytest.approx(0.4, abs=0.05)


def test_omission_comes_back():
    rng = np.random.default_rng(2)
    truth = people(rng, 3000)
    latent = 0.6 * rng.normal(size=(3000, 1)) + 0.5 * rng.normal(size=(3000, 17))
    for limb in limbs(BODY):
        latent[:, limb] += np.sqrt(0.39) * rng.normal(size=(3000, 1))
    rate = np.where(np.char.endswith(BODY.joints, "wrist"), 0.3, 0.1)
    rate = np.where(truth.score == 1, 1.5 * rate, rate)
    lost = latent < ndtri(rate)
    poses = truth.replace(
        xy=np.where(lost[..., None], np.nan, truth.xy + 1), instance_score=rng.random(3000)
    )
    found = measure_statistics(truth, poses, name="mine", source="made")
    omission = found.omission
    assert omission.rates["wrist"] == pytest.approx((0.45, 0.3), abs=0.03)
    assert omission.rates["hand"] == omission.rates["wrist"]
    assert omission.rates["knee"] == pytest.approx((0.15, 0.1), abs=0.03)
    shares = np.square([omission.body, omission.limb, omission.mirror])
    assert shares == pytest.approx([0.36, 0.39, 0], abs=0.04)
    assert omission.unlabelled == 0
    assert omission.size_exponent == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(omission.rates_for(BODY)[:, 9], omission.rates["wrist"])


def test_errors_of_small_persons():
    rng = np.random.default_rng(3)
    truth = people(rng, 4000)
    area = SIZE**2 / 2 * np.exp(rng.uniform(-1, 1, 4000))
    chance = 0.2 * (area / (SIZE**2 / 2)) ** -0.4
    wrong = rng.random((4000, 17)) < chance[:, None]
    shift = np.where(wrong[..., None], SIZE * 4.0, 0.0)
    poses = truth.replace(xy=truth.xy + shift, instance_score=np.ones(4000))
    found = measure_statistics(truth.replace(area=area), poses, name="mine", source="")
    assert found.size_exponent == pytest.approx(0.4, abs=0.05)


def test_scores(corrupted):
    truth, _, poses = corrupted
    told = measure_statistics(truth, poses, name="mine", source="made").scores
    # Two normals one standard deviation apart.
    assert told.auc == pytest.approx(0.76, abs=0.02)
    assert told.kinds["good"][0] > 0 > told.kinds["miss"][0]
    assert told.kinds["good"][0] - told.kinds["jitter"][0] == pytest.approx(0.92, abs=0.1)
    assert 0.2 < told.correlation < 0.6
    assert told.hidden == pytest.approx(0, abs=0.05)
    assert told.pose_share == pytest.approx(0, abs=0.02)
    shared = np.random.default_rng(4).normal(size=(len(poses), 1))
    both = poses.replace(score=poses.score + shared - (truth.score == 1))
    told = measure_statistics(truth, both, name="mine", source="made").scores
    assert told.pose_share == pytest.approx(0.45, abs=0.06)
    assert told.hidden > 0.3
    flags = poses.replace(score_kind="flag")
    assert measure_statistics(truth, flags, name="mine", source="made").scores is None


def test_instances():
    truth = people(np.random.default_rng(5), 100)
    score = np.linspace(1, 0.5, 100)
    whole = truth[2:].replace(instance_score=score[2:])
    whole.xy[0, 11:] = np.nan
    fragment = truth[2:3].replace(xy=truth.xy[2:3].copy(), instance_score=np.array([0.4]))
    fragment.xy[0, :11] = np.nan
    duplicate = truth[5:6].replace(xy=truth.xy[5:6] + 40, instance_score=np.array([0.3]))
    nobody = truth[7:9].replace(xy=truth.xy[7:9] + 3000, instance_score=np.array([0.2, 0.1]))
    parts = [p.replace(area=None) for p in (whole, fragment, duplicate, nobody)]
    poses = Poses.concat(parts)
    found = measure_statistics(truth, poses, name="mine", source="").instances
    assert found.fragment == pytest.approx(1 / 98)
    assert found.duplicate + found.background == pytest.approx(3 / 98)
    # Both persons of the first image are lost, but no pose says that it was looked at.
    assert found.missed == 0


def test_unlabelled_joints_and_other_skeletons():
    rng = np.random.default_rng(6)
    truth = people(rng, 400)
    hidden = rng.random((400, 17)) < 0.25
    labelled = truth.replace(
        xy=np.where(hidden[..., None], np.nan, truth.xy), score=np.where(hidden, 0, truth.score)
    )
    from refine.poses import convert

    poses = convert(truth.replace(score_kind="unknown", instance_score=np.ones(400)), "openpose18")
    lost = rng.random((400, 18)) < 0.3
    poses = poses.replace(xy=np.where(lost[..., None], np.nan, poses.xy))
    found = measure_statistics(labelled, poses, name="mine", source="")
    assert found.omission.unlabelled == pytest.approx(0.7, abs=0.03)
    assert found.counts["absent"] / found.counts["joints"] == pytest.approx(0.3, abs=0.02)


def test_toml_round_trip(corrupted):
    truth, _, poses = corrupted
    lost = np.random.default_rng(7).random(poses.score.shape) < 0.2
    poses = poses.replace(xy=np.where(lost[..., None], np.nan, poses.xy))
    found = measure_statistics(truth, poses, name='m "q"', source="a\nb", command="refine stats x")
    text = statistics_to_toml(found)
    again = statistics_from_table(tomllib.loads(text))
    assert statistics_to_toml(again) == text
    assert (again.name, again.source, again.command) == (found.name, found.source, found.command)
    assert again.counts == found.counts
    np.testing.assert_allclose(again.rates_for(BODY), found.rates_for(BODY), atol=2e-4)
    assert again.scores.kinds["miss"] == pytest.approx(found.scores.kinds["miss"], rel=1e-3)
    assert again.omission.body == pytest.approx(found.omission.body, rel=1e-3)
    posefix = read_statistics("posefix")
    same = statistics_from_table(tomllib.loads(statistics_to_toml(posefix)))
    np.testing.assert_array_equal(same.rates_for(BODY), posefix.rates_for(BODY))
    assert same.omission is same.scores is same.instances is None


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("omission", 3, "entry 'omission'"),
        ("omission", {"rates": {"nose": [0.1]}}, r"two numbers in omission\.rates\.nose"),
        ("omission", {"rates": {"nose": [0.1, 0.2]}}, "finite number in 'unlabelled'"),
        ("scores", {"kinds": {"good": ["a", 1]}}, r"expected numbers in scores\.kinds\.good"),
        ("instances", {"missed": float("inf")}, "finite number in 'missed'"),
        ("size_exponent", "big", "finite number in 'size_exponent'"),
        ("counts", {"poses": 1.5}, "entry 'poses'"),
        ("command", 3, "entry 'command'"),
    ],
)
def test_wrong_optional_entries_are_refused(section, value, message):
    table = tomllib.loads(statistics_to_toml(read_statistics("posefix")))
    with pytest.raises(FormatError, match=message):
        statistics_from_table({**table, section: value})


def test_nothing_fits(corrupted):
    truth, _, poses = corrupted
    with pytest.raises(ArrayError, match="expected poses that fit persons"):
        measure_statistics(truth, poses.replace(xy=poses.xy + 9e4), name="mine", source="")


@pytest.mark.parametrize("r", [-0.6, 0.0, 0.3, 0.9])
def test_tetrachoric(r):
    a, b = np.array([0.1, 0.4, 0.4]), np.array([0.2, 0.3, 0.3])
    both = sum(
        multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf(ndtri([p, q]))
        for p, q in zip(a, b, strict=True)
    )
    assert tetrachoric(a, b, both) == pytest.approx(r, abs=2e-3)


def test_independent_joints_share_nothing():
    rng = np.random.default_rng(8)
    lost, everywhere = rng.random((3000, 17)) < 0.2, np.ones((3000, 17), bool)
    assert max(fit_loadings(lost, everywhere, np.full((3000, 17), 0.2), BODY)) < 0.2
    nobody = np.zeros((5, 17), bool)
    assert fit_loadings(nobody, nobody, np.zeros((5, 17)), BODY) == (0, 0, 0)


@pytest.mark.parametrize("name", statistics_names())
def test_shipped_tables_can_be_drawn_from(name):
    statistics = read_statistics(name)
    assert statistics.name == name
    rates = statistics.rates_for(BODY)
    np.testing.assert_allclose(rates.sum(0), 1)
    assert rates[GOOD].min() > 0.1
    rng = np.random.default_rng(9)
    truth = people(rng, 100)
    near, start = neighbours(truth.box, truth.image)
    shown = np.ones((100, 17), bool)
    xy, kind = corrupt(
        truth.xy, shown, truth.area, truth.xy[near], shown[near], start,
        skeleton=BODY, statistics=statistics, rng=rng,
    )  # fmt: skip
    assert np.isfinite(xy).all()
    assert set(np.unique(kind)) <= set(range(5))
    assert (kind == SWAP).any()
    if name != "posefix":
        counts = statistics.counts
        assert counts["joints"] == sum(counts[k] for k in (*KINDS, "absent"))
        assert statistics.command.startswith("refine stats ")
        assert "/" not in statistics.command
