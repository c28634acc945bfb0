"""Ronchi & Perona's kinds of errors, against a plain transcription of their rules."""

import numpy as np
import pytest

from refine.evaluation.kinds import GOOD, INVERSION, JITTER, MISS, SWAP
from refine.evaluation.taxonomy import ABSENT, UNKNOWN, classify, corrected, match_poses
from refine.exceptions import ArrayError, FormatError
from refine.oks import keypoint_similarity, ks_distance
from refine.skeletons import skeleton
from tests.oracles.scenes import make_scene

COCO = skeleton("coco17")
SIGMAS = COCO.require_sigmas()
AREA = 10000.0


def kinds(xy, person, truth, labelled=None, **options):
    """Classify poses on one image."""
    truth = np.asarray(truth, float)
    n = len(truth)
    shown = np.ones(truth.shape[:2], bool) if labelled is None else labelled
    area, image = np.full(n, AREA), np.zeros(n, int)
    return classify(
        xy, person, truth, shown, area, image, sigmas=SIGMAS, mirror=COCO.mirror, **options
    )


@pytest.fixture
def two():
    """Two persons far apart, all joints of each far apart."""
    grid = np.stack([np.arange(17) % 5, np.arange(17) // 5], -1) * 300.0
    return np.stack([grid, grid + 5000])


def published(xy, own, persons, labelled, area):
    """Classify one joint at a time as section 7.1 of the paper's code reads."""
    order = [own, *(i for i in range(len(persons)) if i != own)]
    out = []
    for j in range(17):
        if not labelled[own, j]:
            out.append(UNKNOWN)
            continue
        rows = []
        for joint in (j, COCO.mirror[j]):
            for i in order:
                d2 = ((xy[j] - persons[i, joint]) ** 2).sum()
                ks = np.exp(-d2 / (2 * SIGMAS[j]) ** 2 / area[i] / 2)
                rows.append(ks if labelled[i, joint] else -1)
        a, m = int(np.argmax(rows)), max(rows)
        if not np.isfinite(xy[j]).all():
            out.append(ABSENT)
        elif m < 0.5:
            out.append(MISS)
        elif a == 0:
            out.append(GOOD if m > 0.85 else JITTER)
        else:
            out.append(INVERSION if a == len(order) else SWAP)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_against_the_plain_rules(seed):
    rng = np.random.default_rng(seed)
    persons = rng.uniform(0, 60, (4, 17, 2))
    labelled, area = rng.random((4, 17)) < 0.8, rng.uniform(500, 9000, 4)
    own = rng.integers(0, 4, 30)
    xy = persons[own] + rng.normal(size=(30, 17, 2)) * 5
    take = rng.random((30, 17)) < 0.3
    xy = np.where(take[..., None], persons[rng.integers(0, 4, 30)][:, COCO.mirror], xy)
    xy[rng.random((30, 17)) < 0.1] = np.nan
    kind, _ = classify(
        xy, own, persons, labelled, area, np.zeros(4, int), sigmas=SIGMAS, mirror=COCO.mirror
    )
    want = [published(xy[i], own[i], persons, labelled, area) for i in range(30)]
    np.testing.assert_array_equal(kind, want)
    assert set(kind.ravel().tolist()) == {UNKNOWN, GOOD, JITTER, INVERSION, SWAP, MISS, ABSENT}


def test_limits_of_similarity(two):
    unit = ks_distance(np.exp(-0.5), np.array([AREA]), SIGMAS)[0]
    for ks, want in ((0.86, GOOD), (0.84, JITTER), (0.51, JITTER), (0.49, MISS)):
        xy = two[:1].copy()
        xy[..., 0] += unit * np.sqrt(-2 * np.log(ks))
        kind, similarity = kinds(xy, np.array([0]), two)
        assert (kind == want).all()
        np.testing.assert_allclose(similarity, ks, rtol=1e-6)


def test_exactly_the_limit(two, monkeypatch):
    exact = np.full((1, 17), 0.85)
    monkeypatch.setattr(
        "refine.evaluation.taxonomy.keypoint_similarity", lambda a, *_: np.repeat(exact, len(a), 0)
    )
    assert (kinds(two[:1], np.array([0]), two[:1])[0] == JITTER).all()
    assert (kinds(two[:1], np.array([0]), two[:1], compat=True)[0] == UNKNOWN).all()


def test_places_of_others_are_swaps_either_joint(two):
    paired = COCO.mirror != np.arange(17)
    mirrored = two[:, COCO.mirror]
    assert (kinds(two[1:], np.array([0]), two)[0] == SWAP).all()
    assert (kinds(mirrored[1:], np.array([0]), two)[0] == SWAP).all()
    kind = kinds(mirrored[:1], np.array([0]), two)[0][0]
    assert (kind[paired] == INVERSION).all()
    assert kind[0] == GOOD
    # Another joint of another person is nobody's place.
    assert (kinds(np.roll(two, 2, axis=1)[1:], np.array([0]), two)[0] == MISS).any()


def test_other_images_and_unlabelled_joints_are_not_looked_at(two):
    alone = classify(
        two[1:],
        np.array([0]),
        two,
        np.ones((2, 17), bool),
        np.full(2, AREA),
        np.array([0, 1]),
        sigmas=SIGMAS,
        mirror=COCO.mirror,
    )[0]
    assert (alone == MISS).all()
    labelled = np.ones((2, 17), bool)
    labelled[0, 3] = False
    labelled[1] = False
    kind = kinds(two[1:], np.array([0]), two, labelled)[0][0]
    assert kind[3] == UNKNOWN
    assert (np.delete(kind, 3) == MISS).all()


def test_poses_of_nobody(two):
    kind, similarity = kinds(two, np.array([-1, 1]), two)
    assert (kind[0] == UNKNOWN).all()
    assert (kind[1] == GOOD).all()
    assert (similarity[1] == 1).all()


@pytest.mark.parametrize(("compat", "power"), [(False, 1), (True, 0.25)])
def test_corrected_similarity(two, compat, power):
    kind = np.array([[GOOD, JITTER, INVERSION, SWAP, MISS, ABSENT, *[UNKNOWN] * 11]])
    found = corrected(kind, np.full((1, 17), 0.7), two[:1], np.array([AREA]), SIGMAS, compat=compat)
    got = keypoint_similarity(two[:1], found, np.array([AREA]), SIGMAS)[0]
    want = np.array([1, 0.85, 0.7, 0.7, 0.5, 0.5, *[1] * 11])
    np.testing.assert_allclose(got, want**power, rtol=1e-9)


def test_matched_poses():
    gt, poses = make_scene(0)
    m = match_poses(gt, poses)
    matched = (m.person >= 0) & ~m.truth.ignore[m.person]
    assert matched.any()
    assert (m.person < 0).any()
    labelled = m.truth.labelled[m.person]
    np.testing.assert_array_equal(m.kind >= 0, labelled & matched[:, None])
    missing = ~poses.present[m.rows]
    np.testing.assert_array_equal(m.kind == ABSENT, missing & labelled & matched[:, None])
    old = match_poses(gt, poses, compat=True)
    assert not (old.kind == ABSENT).any()
    assert np.isfinite(old.xy).all()


def test_bad_input():
    gt, poses = make_scene(0)
    with pytest.raises(ArrayError, match="at least 1"):
        match_poses(gt, poses, max_dets=0)
    with pytest.raises(ArrayError, match="finite instance score"):
        match_poses(gt, poses.replace(instance_score=np.full(len(poses), np.nan)))
    few = {**gt, "images": gt["images"][:1], "annotations": []}
    with pytest.raises(FormatError, match="expected predictions on images"):
        match_poses(few, poses)
