"""Joints that grouping left out, looked for in the maps of a whole image."""

from itertools import product

import numpy as np
import pytest

from refine.decoding import decode, raw_image
from refine.decoding.paf.arrays import paf_limbs
from refine.exceptions import ArrayError
from refine.refiner.pose.refiner import Refiner
from refine.refiner.reread.files import find_left_out, reread
from refine.refiner.reread.image import EVIDENCE, FLOOR, HOLD
from refine.skeletons import skeleton

Y, X = np.mgrid[:46, :54]


def bump(x, y, height=1.0, sigma=1.2):
    return height * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * sigma**2))


def look(maps, xy, expected, spread=2.0, sigma=1.5):
    """Look for one joint of N people: maps (H, W), xy and expected (N, 2)."""
    xy, expected = np.array(xy, float)[:, None], np.array(expected, float)[:, None]
    n = len(xy)
    return find_left_out(maps[None], xy, np.full((n, 1), sigma), expected, np.full((n, 1), spread))


NONE = (np.nan, np.nan)


def test_a_faint_peak_is_found_where_it_is_expected():
    got = look(bump(30, 20, 0.05), [NONE], [(28, 21)])
    np.testing.assert_allclose(got.xy[0, 0], [30, 20], atol=0.05)
    assert got.score[0, 0] == pytest.approx(0.05)
    assert got.moved.all()


@pytest.mark.parametrize(
    ("height", "expected"), [(0.015, (30, 20)), (0.05, (12, 20)), (0.9, NONE), (1.0, (0, 0))]
)
def test_noise_and_far_peaks_are_left(height, expected):
    got = look(bump(30, 20, height), [NONE], [expected])
    assert np.isnan(got.xy).all()
    assert np.isnan(got.score).all()
    assert not got.moved.any()


def test_a_higher_peak_is_believed_farther_off():
    far = 2 * (EVIDENCE + np.log(0.1 / FLOOR))
    for height, found in ((0.1 * 0.9, False), (0.1 * 1.1, True)):
        assert look(bump(30, 20, height), [NONE], [(30 - far, 20)]).moved.all() == found


def test_what_somebody_has_is_not_found_again():
    at = (30, 20)
    got = look(bump(*at), [at, NONE], [at, (29, 20)])
    assert got.xy[0, 0].tolist() == [30, 20]
    assert np.isnan(got.xy[1]).all()
    # Nor what lies beside a joint that was put between cells by other means.
    got = look(bump(*at) + bump(10, 40), [(31, 20), NONE], [at, (29, 20)])
    assert got.xy[0, 0].tolist() == [31, 20]
    assert np.isnan(got.xy[1]).all()


def test_a_peak_changes_hands_only_for_a_much_nearer_person():
    at, near = (30, 20), (30, 21)
    reach = EVIDENCE - np.log(FLOOR)
    for off, changes in ((HOLD - 1, False), (reach + 2, True)):
        got = look(bump(*at), [at, NONE], [(30 - 2 * off, 20), near])
        assert got.moved.all() == changes
        assert np.isnan(got.xy[:, 0, 0]).tolist() == [changes, not changes]


def test_people_and_peaks_are_matched_as_well_as_can_be():
    rng = np.random.default_rng(2)
    for _ in range(10):
        spots, heights = rng.uniform(5, 40, (3, 2)), rng.uniform(0.1, 1, 3)
        expected = rng.uniform(5, 40, (3, 2))
        maps = np.max([bump(*p, h) for p, h in zip(spots, heights, strict=True)], 0)
        got = look(maps, [NONE] * 3, expected, spread=5.0)
        far = np.abs(expected[:, None] - spots).sum(-1) / 5
        worth = EVIDENCE + np.log(heights / FLOOR) - far
        best = max(
            sum(worth[i, p] for i, p in enumerate(chosen) if p >= 0)
            for chosen in product(range(-1, 3), repeat=3)
            if len({p for p in chosen if p >= 0}) == sum(p >= 0 for p in chosen)
        )
        found = got.moved[:, 0]
        own = np.abs(expected[found] - got.xy[found, 0]).sum(-1) / 5
        total = (EVIDENCE + np.log(got.score[found, 0] / FLOOR) - own).sum()
        assert total == pytest.approx(best, abs=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.ones((8, 8))}, r"maps \(K, H, W\)"),
        ({"xy": np.ones((1, 2, 2))}, r"xy \(1, 1, 2\)"),
        ({"spread": np.ones(1)}, r"spread \(1, 1\)"),
        ({"maps": np.full((1, 8, 8), np.nan)}, "finite maps"),
    ],
)
def test_bad_input(change, message):
    one = np.ones((1, 1))
    arguments = {"maps": np.ones((1, 8, 8)), "xy": np.ones((1, 1, 2)), "sigma": one, "spread": one}
    arguments |= {"expected": np.ones((1, 1, 2)), **change}
    with pytest.raises(ArrayError, match=message):
        find_left_out(**arguments)


LIMBS = paf_limbs("openpose18")
NAMES = skeleton("openpose18").joints
PERSON = {
    "nose": (27, 8), "neck": (27, 13), "left_shoulder": (31, 13), "right_shoulder": (23, 13),
    "left_elbow": (33, 20), "right_elbow": (21, 20), "left_wrist": (34, 26),
    "right_wrist": (20, 26), "left_hip": (29, 26), "right_hip": (25, 26), "left_knee": (29, 34),
    "right_knee": (25, 34), "left_ankle": (29, 42), "right_ankle": (25, 42),
    "left_eye": (28, 7), "right_eye": (26, 7), "left_ear": (30, 7.5), "right_ear": (24, 7.5),
}  # fmt: skip


def outputs(faint, height, image=1):
    """Raw maps and fields of one person, whose joint `faint` peaks at `height`."""
    xy = np.array([PERSON[n] for n in NAMES], float)
    maps = np.zeros((19, 46, 54))
    for j, name in enumerate(NAMES):
        maps[j] = bump(*xy[j], height if name == faint else 0.9)
    fields = np.zeros((LIMBS.channels.max() + 1, 46, 54))
    for (a, b), channels in zip(LIMBS.pairs, LIMBS.channels, strict=True):
        way = xy[b] - xy[a]
        length = np.linalg.norm(way)
        way = way / length
        along = (X - xy[a, 0]) * way[0] + (Y - xy[a, 1]) * way[1]
        across = np.abs((X - xy[a, 0]) * way[1] - (Y - xy[a, 1]) * way[0])
        on = (along > -1) & (along < length + 1) & (across < 1.2)
        fields[channels[0]][on], fields[channels[1]][on] = way
    where = {"affine": np.eye(2, 3), "input_size": (432, 368), "image_size": (432, 368)}
    return raw_image({"heatmaps": maps, "pafs": fields, "image_id": image, **where})


def test_a_joint_below_the_detection_threshold_is_found():
    preset = "refine-paf"
    refiner = Refiner.load()
    raws = [outputs("left_wrist", 0.03), outputs("right_knee", 0.9, 2)]
    first = [decode(raw, preset) for raw in raws]
    wrist = first[0].skeleton.index("left_wrist")
    assert [len(p) for p in first] == [1, 1]
    assert np.isnan(first[0].xy[0, wrist]).all()
    again = reread(raws, preset, refiner)
    # Half-pixel centres: cell c is the middle of its 8 px.
    at = np.array(PERSON["left_wrist"]) * 8 + 3.5
    np.testing.assert_allclose(again.xy[0, wrist], at, atol=0.1)
    assert again.score[0, wrist] == pytest.approx(0.03, abs=1e-3)
    assert again.history[-1].parameters == {"joints": 1}
    np.testing.assert_array_equal(
        np.delete(again.xy[0], wrist, 0), np.delete(first[0].xy[0], wrist, 0)
    )
    np.testing.assert_array_equal(again.xy[1], first[1].xy[0])
    np.testing.assert_array_equal(again.instance_score, [p.instance_score[0] for p in first])


def test_an_image_without_people():
    empty = outputs("left_wrist", 0.9)
    empty = raw_image(
        {k: np.zeros_like(v) for k, v in empty.arrays.items()}
        | {"affine": np.eye(2, 3), "image_id": 5}
    )
    again = reread([empty, outputs("nose", 0.9)], "refine-paf", Refiner.load())
    assert len(again) == 1
    assert [r.id for r in again.images] == [5, 1]
