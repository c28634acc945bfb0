"""What errors cost: against evaluating predictions that were put right by hand."""

import json

import numpy as np
import pytest

import refine
from refine.evaluation.coco import evaluate
from refine.evaluation.diagnosis import CURES, OF_JOINTS, diagnose
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.taxonomy import ALL_KINDS, corrected, match_poses
from refine.files import dump_json
from tests.oracles.scenes import make_scene


def put_right(gt, poses, chosen, *, exact=False, compat=False):
    """Return poses with the chosen kinds corrected, the slow way."""
    m = match_poses(gt, poses, compat=compat)
    owner = m.truth.xy[m.person]
    sigmas = poses.skeleton.require_sigmas()
    at = corrected(m.kind, m.similarity, owner, m.truth.area[m.person], sigmas, compat=compat)
    now = np.isin(m.kind, [ALL_KINDS.index(kind) for kind in chosen])
    xy = poses.xy.copy()
    xy[m.rows] = np.where(now[..., None], owner if exact else at, m.xy)
    return poses.replace(xy=xy)


@pytest.fixture(scope="module")
def scene():
    return make_scene(1, 40)


def test_cures_are_what_evaluation_says(scene):
    gt, poses = scene
    d = diagnose(gt, poses)
    assert d.ap.mean() == pytest.approx(evaluate(gt, poses)["AP"], abs=1e-12)
    for i, kind in enumerate(OF_JOINTS):
        for got, chosen, exact in (
            (d.alone, [kind], False),
            (d.exact, [kind], True),
            (d.progressive, OF_JOINTS[: i + 1], False),
        ):
            want = evaluate(gt, put_right(gt, poses, chosen, exact=exact))["AP"]
            assert got[kind].mean() == pytest.approx(want, abs=1e-12), (kind, exact)
    assert all(d.exact[kind].mean() > d.ap.mean() for kind in ("absent", "miss", "jitter"))


def test_progress_ends_at_one(scene):
    gt, poses = scene
    for compat in (False, True):
        d = diagnose(gt, poses, compat=compat)
        curve = [d.ap.mean(), *(d.progressive[cure].mean() for cure in CURES)]
        assert (np.diff(curve) > -0.02).all()
        assert curve[-1] == 1
        assert curve[-2] < 1


def test_compat_is_what_their_corrections_give(scene):
    gt, poses = scene
    d = diagnose(gt, poses, compat=True)
    assert d.counts[:, ALL_KINDS.index("absent")].sum() == 0
    large = {**gt, "annotations": [a for a in gt["annotations"] if a["area"] >= 32**2]}
    small = len(gt["annotations"]) - len(large["annotations"])
    assert small > 0
    assert d.persons < diagnose(gt, poses).persons
    cured = evaluate(large, put_right(large, poses, ["miss"], compat=True))["AP"]
    got = diagnose(large, poses, compat=True).alone["miss"].mean()
    assert got == pytest.approx(cured, abs=1e-12)


def test_gain_by_joint(scene):
    gt, poses = scene
    d = diagnose(gt, poses)
    joint, kind = 5, OF_JOINTS.index("miss")
    right = put_right(gt, poses, ["miss"])
    xy = poses.xy.copy()
    xy[:, joint] = right.xy[:, joint]
    want = evaluate(gt, poses.replace(xy=xy))["AP"] - d.ap.mean()
    assert d.gain[joint, kind] == pytest.approx(want, abs=1e-12)
    none = d.counts[:, [ALL_KINDS.index(k) for k in OF_JOINTS]] == 0
    assert (d.gain[none] == 0).all()


def test_scores_that_are_the_oks_leave_no_scoring_error():
    gt, poses = make_scene(2, 40)
    d = diagnose(gt, poses)
    assert d.contested > d.scoring_errors > 0
    assert d.alone["score"].mean() > d.ap.mean()
    table = read_ground_truth(gt)
    truth = table.persons_on(range(len(table.images)))
    oks = refine.oks.pairwise_oks(
        truth.xy, poses.xy, truth.area, poses.skeleton.sigmas, truth.labelled, "zero"
    )
    same = truth.image[:, None] == poses.image
    best = np.where(same & ~truth.ignore[:, None], oks, 0).max(0)
    told = diagnose(gt, poses.replace(instance_score=best))
    assert told.scoring_errors == 0
    assert told.contested == d.contested


def test_optimal_scores_do_not_depend_on_the_given_ones(scene):
    gt, poses = scene
    rng = np.random.default_rng(0)
    others = poses.replace(instance_score=rng.permutation(len(poses)) / len(poses))
    first, second = (diagnose(gt, p).alone["score"].mean() for p in (poses, others))
    assert first == pytest.approx(second, abs=1e-12)


def test_bins_share_out_all_persons_and_joints(scene):
    gt, poses = scene
    d = diagnose(gt, poses)
    assert list(d.bins) == ["area", "visible", "overlap", "visible, overlap"]
    for bins in d.bins.values():
        assert sum(b.persons for b in bins) == d.persons
        np.testing.assert_array_equal(sum(b.counts for b in bins), d.counts.sum(0))
    assert [b.name for b in d.bins["visible"]] == ["1-5", "6-10", "11-15", "16-17"]
    assert [b.name for b in d.bins["overlap"]] == ["0", "1-2", "3+"]
    assert [len(bins) for bins in d.bins.values()] == [5, 4, 3, 12]
    large = d.bins["area"][-1]
    assert large.persons == sum(
        a["area"] > 128**2 and a["num_keypoints"] > 0 and not a["iscrowd"]
        for a in gt["annotations"]
    )


def test_subset_and_json(scene):
    gt, poses = scene
    d = diagnose(gt, poses, image_ids=list(range(20)))
    assert d.poses < diagnose(gt, poses).poses
    plain = json.loads(dump_json(d.to_dict()))
    assert plain["counts"]["nose"]["good"] == d.counts[0, 0]
    assert plain["shares"]["absent"] == pytest.approx(d.shares[5])
    assert plain["alone"]["miss"] == pytest.approx(d.alone["miss"].tolist())
    assert len(plain["bins"]["visible, overlap"]) == 12
    assert sum(plain["shares"].values()) == pytest.approx(1)


def test_nothing_predicted_and_nobody_there(scene):
    gt, poses = scene
    empty = diagnose(gt, poses[:0])
    assert (empty.ap == 0).all()
    assert empty.counts.sum() == empty.matched == empty.poses == 0
    assert empty.progressive["false_negative"].mean() == 1
    nobody = diagnose({**gt, "annotations": []}, poses)
    assert nobody.persons == nobody.counts.sum() == 0
    assert nobody.background == nobody.poses > 0
    assert json.loads(dump_json(nobody.to_dict()))["ap"] == [None] * 10


@pytest.mark.parametrize(
    ("file", "shares"),
    [
        ("tfpose-mobilenet-thin__val", (0.43, 0.22, 0.05, 0.01, 0.16, 0.12)),
        ("movenet-multipose__val", (0.42, 0.21, 0.10, 0.02, 0.26, 0)),
        ("pp-tinypose-256x192__val_gtbox_dark", (0.74, 0.15, 0.03, 0.01, 0.06, 0)),
    ],
)
def test_real_predictions(data, file, shares):
    gt = read_ground_truth(data / "coco/images_val_gt.json")
    poses = refine.read(data / "predictions" / f"{file}.json")
    d = diagnose(gt, poses)
    np.testing.assert_allclose(d.shares, shares, atol=0.007)
    assert d.ap.mean() == pytest.approx(evaluate(gt, poses)["AP"], abs=1e-12)
