"""Part affinity fields against a plain oracle, made people, and the pitfalls of published code."""

from dataclasses import replace

import numpy as np
import pytest

from refine.decoding import decode_paf
from refine.decoding.maps.local_maxima import find_peaks, refine_peaks
from refine.decoding.paf.arrays import paf_limbs, paf_rules
from refine.exceptions import ArrayError, SkeletonError
from refine.skeletons import skeleton
from tests.oracles.paf import LIMBS, encoded, people, plain


@pytest.mark.parametrize("name", ["openpose", "openpose-matlab", "openpose-cpp"])
@pytest.mark.parametrize("joints", [18, 25])
def test_openpose_rules_are_those_of_the_oracle(name, joints):
    against_the_oracle(paf_rules()[name], joints)


@pytest.mark.parametrize("name", ["lightweight-openpose", "tf-pose"])
def test_other_rules_are_those_of_the_oracle(name):
    against_the_oracle(paf_rules()[name], 18)


def against_the_oracle(rules, joints):
    rng = np.random.default_rng(joints)
    limbs = paf_limbs(f"openpose{joints}")
    # A smaller enlargement than published keeps the loops short and the peaks close together.
    rules = replace(rules, upsample=2, ignores_first=False)
    count = 0
    for n, noise in ((2, 0.0), (4, 0.012), (0, 0.0)):
        maps, fields = encoded(people(n, rng, 36, 34, joints), limbs, 36, 34, noise=noise, rng=rng)
        expected = plain(maps, fields, limbs, rules)
        found = decode_paf(maps, fields, limbs, rules)
        assert found.xy.shape == expected[0].shape
        np.testing.assert_allclose(found.xy, expected[0], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.score, expected[1], rtol=0, atol=1e-5)
        np.testing.assert_allclose(found.instance_score, expected[2], rtol=1e-4, atol=1e-5)
        count += len(found.xy)
    assert count >= 4


@pytest.mark.parametrize("joints", [18, 25])
def test_people_are_found_where_they_are(joints):
    rng = np.random.default_rng(2)
    limbs = paf_limbs(f"openpose{joints}")
    names = skeleton(f"openpose{joints}").joints
    for _ in range(3):
        truth = people(1, rng, joints=joints)
        truth = np.concatenate([truth, truth + np.array([20, 3])]) - (truth[..., 0].min() - 3, 0)
        maps, fields = encoded(truth, limbs, 64, 64)
        # Published code takes the middle of cell X of a map enlarged r times for X / r.
        for rules, r, slack in (
            ("refine", 1, 0.05),
            ("openpose-cpp", 8, 0.15),
            ("tf-pose", 4, 0.3),
        ):
            found = decode_paf(maps, fields, limbs, rules)
            assert len(found.xy) == 2, rules
            order = np.argsort(found.xy[:, names.index("neck"), 0])
            gap = np.abs(found.xy[order] - truth - (r - 1) / (2 * r)).max(-1)
            # Ties and the blur cost published rules a joint now and then.
            assert np.isfinite(gap).mean() >= (1 if rules == "refine" else 0.9), rules
            assert np.nanmax(gap) < slack, rules


def test_hungarian_finds_the_higher_total():
    # a likes b better than d does, but only a can have c.
    rules = replace(paf_rules()["refine"], upsample=1, position="cell", min_joints=2, min_score=0)
    maps, fields = np.zeros((18, 20, 20), np.float32), np.zeros((38, 20, 20), np.float32)
    maps[1, 4, 4] = maps[1, 14, 4] = maps[2, 4, 14] = maps[2, 14, 14] = 1
    y, x = np.mgrid[:20, :20]
    fields[12] = np.where(y < 5, 0.9, 0)
    fields[12][(abs(y - (24 - 2 * x) / 2 - 6) < 2) & (y > 4)] = 0.8
    slope = (x - 4) + 4
    on = (abs(y - slope) < 2) & (y > 4) & (y < 14)
    fields[12][on], fields[13][on] = 0.7, 0.7
    back = (abs(y - (18 - x)) < 2) & (y > 4) & (y < 14)
    fields[12][back], fields[13][back] = 0.7, -0.7
    for assignment in ("greedy", "hungarian"):
        found = decode_paf(maps, fields, LIMBS, rules, assignment=assignment)
        partners = {tuple(p[1]): tuple(p[2]) for p in found.xy.tolist()}
        if assignment == "greedy":
            assert partners[(4.0, 4.0)] == (14.0, 4.0)
            assert (4.0, 14.0) not in partners
        else:
            assert partners == {(4.0, 4.0): (14.0, 14.0), (4.0, 14.0): (14.0, 4.0)}


def body(names, width=40, height=40, at=None, skip=()):
    """Maps and fields of one person with these joints."""
    rng = np.random.default_rng(0)
    xy = at if at is not None else people(1, rng, width, height)[0] + (4, 4)
    maps, fields = encoded(xy[None], LIMBS, width, height)
    joints = skeleton("openpose18").joints
    for k, name in enumerate(joints):
        if name not in names:
            maps[k] = 0
    for limb, (a, b) in enumerate(LIMBS.pairs):
        if (joints[a], joints[b]) in skip:
            fields[LIMBS.channels[limb]] = 0
    return maps, fields, xy


def test_shoulder_to_ear_never_begins_a_person():
    maps, fields, _ = body(("right_shoulder", "right_ear"))
    for name in ("openpose", "lightweight-openpose", "tf-pose"):
        rules = replace(paf_rules()[name], min_joints=0, min_score=0.0)
        assert len(decode_paf(maps, fields, LIMBS, rules).xy) == 0, name
    # Published C++ has no such exception.
    rules = replace(paf_rules()["openpose-cpp"], min_joints=0, min_score=0.0)
    assert len(decode_paf(maps, fields, LIMBS, rules).xy) == 1


def test_a_person_needs_as_many_joints_as_each_code_base_wants():
    arm = ("neck", "right_shoulder", "right_elbow")
    maps, fields, _ = body(arm)
    expected = {"openpose": 0, "tf-pose": 0, "openpose-matlab": 1, "lightweight-openpose": 1}
    for name, n in {**expected, "openpose-cpp": 1, "refine": 1}.items():
        assert len(decode_paf(maps, fields, LIMBS, name).xy) == n, name


def test_feet_do_not_count_in_openpose_cpp():
    limbs = paf_limbs("openpose25")
    names = skeleton("openpose25").joints
    maps, fields = encoded(people(1, np.random.default_rng(0), 50, 50, 25), limbs, 50, 50)
    keep = ("left_knee", "left_ankle", "left_big_toe", "left_small_toe", "left_heel")
    for k, name in enumerate(names):
        if name not in keep:
            maps[k] = 0
    assert len(decode_paf(maps, fields, limbs, "openpose-cpp").xy) == 0
    everything = replace(limbs, uncounted=np.zeros(25, bool))
    assert len(decode_paf(maps, fields, everything, "openpose-cpp").xy) == 1


def test_scores_come_from_the_map_without_blur():
    maps, fields, _ = body(skeleton("openpose18").joints)
    for name in ("openpose", "tf-pose"):
        found = decode_paf(maps, fields, LIMBS, name)
        rules = replace(paf_rules()[name], blur=None)
        sharp = decode_paf(maps, fields, LIMBS, rules)
        assert np.nanmedian(found.score) > 0.9 * np.nanmedian(sharp.score), name


def test_two_rows_are_joined_and_a_third_does_no_harm():
    from refine.decoding.paf.kernels import TWO_ROWS, assemble

    # Joints 0..3 of three people; limb 1-2 comes last and joins the two halves of the first.
    pairs = np.array([[0, 1], [2, 3], [1, 2]])
    start = np.array([0, 1, 2, 3, 4])
    index = np.array([[0, 0, 1], [1, 2, 3], [2, 1, 2]])
    fill = np.zeros(3, bool)
    part, total, count = assemble(
        TWO_ROWS, index, np.ones(3), pairs, fill, np.full(4, 0.5), start, False, False
    )
    assert part.tolist() == [[0, 1, 2, 3]]
    assert (total.tolist(), count.tolist()) == ([5.0], [4])
    # tf-pose takes peak 0 for a missing one: two noses become the peak after the second.
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    start = np.array([0, 2, 3, 4])
    index = np.array([[0, 0, 2], [1, 1, 3], [2, 2, 3]])
    for quirk, expected in ((False, [[0, 2, 3], [1, -1, 3]]), (True, [[2, 2, 3]])):
        part, _, _ = assemble(
            TWO_ROWS, index, np.ones(3), pairs, fill, np.full(4, 0.5), start, False, quirk
        )
        assert part.tolist() == expected
    # Three rows hold one end of a connection: the first two count.
    pairs = np.array([[0, 1], [0, 2], [0, 3], [1, 2]])
    start = np.array([0, 3, 4, 5, 6])
    index = np.array([[0, 0, 3], [1, 1, 4], [2, 2, 5], [3, 3, 4]])
    part, _, count = assemble(
        TWO_ROWS, index, np.ones(4), pairs, np.zeros(4, bool), np.ones(6), start, False, False
    )
    assert part.tolist() == [[0, 3, 4, -1], [1, -1, 4, -1], [2, -1, -1, 5]]
    assert count.tolist() == [3, 2, 2]


def test_overwriting_is_published_and_not_ours():
    from refine.decoding.paf.kernels import FIVE_CASES, TWO_ROWS, assemble

    # Peak 0 of joint 0 goes to both joint-1 peaks through two limbs of the same joints.
    pairs = np.array([[0, 1], [0, 1]])
    index = np.array([[0, 0, 1], [1, 0, 2]])
    arguments = (index, np.array([0.9, 0.2]), pairs, np.zeros(2, bool), np.ones(3))
    start = np.array([0, 1, 3])
    part, _, count = assemble(TWO_ROWS, *arguments, start, False, False)
    assert (part.tolist(), count.tolist()) == ([[0, 2]], [3])
    part, _, count = assemble(FIVE_CASES, *arguments, start, False, False)
    assert (part.tolist(), count.tolist()) == ([[0, 1]], [2])


def test_arguments_are_not_modified():
    maps, fields = encoded(people(2, np.random.default_rng(1)), LIMBS)
    before = maps.copy(), fields.copy()
    for rules in paf_rules():
        decode_paf(maps, fields, LIMBS, rules)
    np.testing.assert_array_equal(maps, before[0])
    np.testing.assert_array_equal(fields, before[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": "alphapose"}, "one of openpose"),
        ({"assignment": "best"}, "greedy, hungarian"),
        ({"heatmaps": np.zeros((17, 8, 8))}, "expected 18 heatmaps"),
        ({"pafs": np.zeros((30, 8, 8))}, "38 fields"),
        ({"pafs": np.zeros((38, 8, 9))}, "size of the heatmaps"),
        ({"heatmaps": np.zeros((8, 8))}, "heatmaps"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"heatmaps": np.zeros((18, 8, 8)), "pafs": np.zeros((38, 8, 8)), **change}
    with pytest.raises(ArrayError, match=message):
        decode_paf(arguments.pop("heatmaps"), arguments.pop("pafs"), **arguments)


def test_bad_names():
    with pytest.raises(SkeletonError, match="openpose18, openpose25"):
        paf_limbs("coco17")
    with pytest.raises(ArrayError, match="3x3"):
        find_peaks(np.zeros((1, 3, 3)), 0, "7x7")
    with pytest.raises(ArrayError, match="centroid"):
        refine_peaks(np.zeros((1, 3, 3)), find_peaks(np.zeros((1, 3, 3)), 0), "middle")
