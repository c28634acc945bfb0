import numpy as np
import pytest

from refine.errors.sources import (
    draw_source,
    imitate,
    limbs,
    omission_profile,
    sided_groups,
    subtrees,
)
from refine.errors.statistics import read_statistics
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.matching import neighbours
from refine.evaluation.persons import Persons
from refine.oks import keypoint_similarity
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton, skeleton_names

COCO = skeleton("coco17")
POSEFIX = read_statistics("posefix")


@pytest.fixture(scope="module")
def people() -> Persons:
    """Three hundred upright bodies, three an image and overlapping, some joints hidden."""
    rng = np.random.default_rng(1)
    body = np.array(
        [
            (0, 0),
            (3, -3),
            (-3, -3),
            (6, 0),
            (-6, 0),
            (16, 20),
            (-16, 20),
            (20, 45),
            (-20, 45),
            (22, 68),
            (-22, 68),
            (10, 75),
            (-10, 75),
            (11, 112),
            (-11, 112),
            (12, 150),
            (-12, 150),
        ],
        float,
    )
    n = 300
    size = rng.uniform(0.6, 2, (n, 1, 1))
    xy = body * size + rng.normal(0, 2, (n, 17, 2)) * size
    xy += np.stack([100 + 40 * (np.arange(n) % 3), np.full(n, 60)], 1)[:, None]
    visible = rng.choice([1, 2, 2, 2], (n, 17)).astype(np.int8)
    area = (size[:, 0, 0] ** 2) * 40 * 150
    box = np.concatenate([xy.min(1), xy.max(1)], 1)
    images = [ImageRef(i, width=500, height=500) for i in range(n // 3)]
    truth = Poses.from_arrays(
        COCO, xy, visible, image=np.arange(n) // 3, images=images, score_kind="flag",
        area=area, box=box,
    )  # fmt: skip
    return read_ground_truth(truth).persons


def source(**changes):
    from dataclasses import replace

    calm = replace(
        draw_source(COCO, np.random.default_rng(0)),
        severity=0.0,
        size_exponent=0.0,
        noise=0.1,
        drift=0.0,
        spoilt=0.0,
        limb_rate=0.0,
        complete=True,
        omission=0.15,
        hidden_factor=1.0,
        fragment=0.0,
        scored=True,
        informative=0.8,
    )
    return replace(calm, **changes)


def shown(people, seed=0, **changes):
    rng = np.random.default_rng(seed)
    near = neighbours(people.box, people.image)
    return imitate(people, near, source(**changes), COCO, POSEFIX, rng)


def similarity(people, xy):
    return keypoint_similarity(people.xy, xy, people.area, COCO.require_sigmas())


def test_a_calm_source_is_complete_and_close(people):
    xy, present, score = shown(people)
    assert present.all()
    assert np.isfinite(score).all()
    assert similarity(people, xy).min() > 0.85


@pytest.mark.parametrize("cause", ["severity", "drift", "limb_rate", "spoilt"])
def test_every_cause_of_error_makes_poses_worse(people, cause):
    value = {"severity": 2.0, "drift": 0.05, "limb_rate": 0.05, "spoilt": 0.5}[cause]
    changes = {cause: value, **({"severity": 1.0} if cause == "limb_rate" else {})}
    base = {"severity": 1.0} if cause == "limb_rate" else {}
    worse = similarity(people, shown(people, **changes)[0]).mean()
    assert worse < similarity(people, shown(people, **base)[0]).mean() - 0.02


def test_omission_follows_rate_profile_and_occlusion(people):
    profile = omission_profile(COCO)
    _, present, _ = shown(people, complete=False, part_factor=profile, hidden_factor=2.5)
    hidden = people.visible == 1
    assert 0.1 < 1 - present.mean() < 0.4
    assert present[:, :5].mean() > present[:, 9:11].mean() + 0.1
    assert present[~hidden].mean() > present[hidden].mean() + 0.1


def test_joints_are_left_out_together_in_limbs(people):
    _, present, _ = shown(people, complete=False)
    left = (~present).astype(float)
    same = np.corrcoef(left[:, 7], left[:, 9])[0, 1]
    other = np.corrcoef(left[:, 7], left[:, 16])[0, 1]
    assert same > other > 0


def test_scores_tell_quality_as_far_as_they_are_informative(people):
    def correlation(informative):
        xy, _, score = shown(people, severity=2.0, informative=informative)
        return np.corrcoef(score.ravel(), similarity(people, xy).ravel())[0, 1]

    assert correlation(0.9) > 0.5 > 0.1 > abs(correlation(0.0))


def test_sources_without_scores_give_none(people):
    assert np.isnan(shown(people, scored=False)[2]).all()


def test_nobody_sees_joints_that_are_nowhere(people):
    from dataclasses import replace

    xy, visible = people.xy.copy(), people.visible.copy()
    xy[:, 9:11], visible[:, 9:11] = np.nan, 0
    out, present, _ = imitate(
        replace(people, xy=xy, visible=visible),
        neighbours(people.box, people.image),
        source(severity=3.0, limb_rate=0.05),
        COCO,
        POSEFIX,
        np.random.default_rng(0),
    )
    assert not present[:, 9:11].any()
    assert np.isfinite(out[present]).all()


def test_the_same_seed_gives_the_same_poses(people):
    for a, b in zip(shown(people, seed=5), shown(people, seed=5), strict=True):
        np.testing.assert_array_equal(a, b)


def test_limbs_of_coco():
    assert [limb.tolist() for limb in limbs(COCO)] == [
        [0, 1, 2, 3, 4],
        [5, 7, 9],
        [6, 8, 10],
        [11, 13, 15],
        [12, 14, 16],
    ]
    assert [g.tolist() for g in sided_groups(COCO)] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8, 9, 10],
        [11, 12, 13, 14, 15, 16],
    ]


def test_a_wrist_hangs_on_its_elbow():
    trees = [t.tolist() for t in subtrees(COCO)]
    assert [7, 9] in trees
    assert [9] in trees


@pytest.mark.parametrize("name", skeleton_names())
def test_every_skeleton_has_limbs_trees_and_a_profile(name):
    body = skeleton(name)
    assert sorted(np.concatenate(limbs(body)).tolist()) == list(range(len(body)))
    assert all(len(tree) < len(body) for tree in subtrees(body))
    assert omission_profile(body).shape == (len(body),)
