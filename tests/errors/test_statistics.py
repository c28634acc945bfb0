"""Error statistics: PoseFix's published table, other skeletons, and files that are wrong."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import refine
from refine.errors.statistics import read_statistics, statistics_from_table
from refine.evaluation.kinds import GOOD, INVERSION, JITTER, KINDS, MISS, SWAP
from refine.exceptions import FormatError, RefineError
from refine.skeletons import Skeleton

FACE, UPPER, LOWER = range(5), range(5, 11), range(11, 17)


def published_rates(j: int, visible: int, overlap: int) -> np.ndarray:
    """Rates of joint j of COCO as the published code branches on them."""
    jitter = 0.15 if j in (0, 13, 14, 15, 16) else 0.25 if j in (11, 12) else 0.20
    jitter -= 0.05 * (visible > 10)
    band = 0 if visible <= 5 else 1 if visible <= 10 else 2
    miss = {0: (0.15, 0.10, 0.02), 1: (0.20, 0.13, 0.05), 2: (0.25, 0.15, 0.10)}
    miss = miss[0 if j in FACE else 1 if j in (5, 6, 15, 16) else 2][band]
    inversion = 0.01 if j in FACE else 0.03 if j in UPPER else 0.06
    hard = (visible <= 10 and overlap > 0) or (visible <= 15 and overlap >= 3)
    if j in FACE:
        swap = 0.02 if hard else 0.01
    else:
        swap = (0.15 if hard else 0.06) if j in UPPER else (0.10 if hard else 0.03)
    rates = np.zeros(5)
    rates[[JITTER, INVERSION, SWAP, MISS]] = jitter, inversion, swap, miss
    rates[GOOD] = 1 - rates.sum()
    return rates


def test_posefix_is_the_published_table():
    coco, posefix = refine.skeleton("coco17"), read_statistics("posefix")
    rates = posefix.rates_for(coco)
    for visible in range(18):
        for overlap in range(6):
            v, o = posefix.bands(np.array([visible]), np.array([overlap]), 17)
            want = [published_rates(j, visible, overlap) for j in range(17)]
            np.testing.assert_allclose(rates[:, :, v[0], o[0]].T, want, atol=1e-12)


@pytest.mark.parametrize(
    ("visible", "overlap", "kind", "mean"),
    [
        (17, 0, GOOD, 0.750), (17, 0, JITTER, 0.146), (17, 0, MISS, 0.068),
        (17, 0, INVERSION, 0.035), (17, 1, GOOD, 0.725), (17, 1, SWAP, 0.035),
        (15, 3, GOOD, 0.666), (15, 3, SWAP, 0.094), (10, 0, GOOD, 0.63), (10, 0, MISS, 0.136),
        (10, 1, GOOD, 0.55), (5, 0, MISS, 0.217), (5, 1, GOOD, 0.472), (5, 1, MISS, 0.209),
    ],
)  # fmt: skip
def test_posefix_means_after_renormalisation(visible, overlap, kind, mean):
    coco, posefix = refine.skeleton("coco17"), read_statistics("posefix")
    v, o = posefix.bands(np.array([visible]), np.array([overlap]), 17)
    rates = posefix.rates_for(coco)[:, :, v[0], o[0]]
    rates[SWAP] *= overlap > 0
    rates[INVERSION] *= coco.mirror != np.arange(17)
    assert (rates / rates.sum(0)).mean(1)[kind] == pytest.approx(mean, abs=0.006)


def test_posefix_distances():
    distances = read_statistics("posefix").distances()
    d85, d50, d10 = 0.5701, 1.1774, 2.1460
    want = [[0, d85], [d85, d50], [0, d50], [0, d50], [d50, d10]]
    np.testing.assert_allclose(distances, want, atol=5e-5)


def test_parts_come_before_regions():
    other = Skeleton(
        "other",
        ("left_hip", "right_hip", "tail", "left_toe", "left_thumb"),
        regions=("lower", "lower", "lower", "foot", "hand"),
    )
    coco = refine.skeleton("coco17")
    posefix = read_statistics("posefix")
    got, of_coco = posefix.rates_for(other), posefix.rates_for(coco)
    stand_in = ["left_hip", "right_hip", "left_knee", "left_ankle", "left_wrist"]
    np.testing.assert_allclose(got, of_coco[:, [coco.index(j) for j in stand_in]], atol=1e-12)


def test_bands_scale_with_the_number_of_joints():
    posefix = read_statistics("posefix")
    visible = np.array([4, 5, 8, 9, 12, 13, 14])
    bands, _ = posefix.bands(visible, np.zeros(7, int), 14)
    # 14/17 of 5, 10, 15 is 4.1, 8.2, 12.4.
    assert bands.tolist() == [0, 1, 1, 2, 2, 3, 3]


def test_severity_multiplies_odds():
    coco, posefix = refine.skeleton("coco17"), read_statistics("posefix")
    once, thrice = posefix.rates_for(coco), posefix.scaled(1.5).scaled(2).rates_for(coco)
    np.testing.assert_allclose(thrice[1:] / thrice[0], 3 * once[1:] / once[0])
    np.testing.assert_allclose(thrice.sum(0), 1)
    assert (posefix.scaled(0).rates_for(coco)[GOOD] == 1).all()
    with pytest.raises(RefineError, match="at least 0"):
        posefix.scaled(-1)


def table() -> dict:
    return {
        "name": "mine",
        "source": "made up",
        "neighbour_iou": 0.1,
        "bands": {"joints": 17, "visible": [8], "overlap": []},
        "similarity": {kind: [0.9, 0.5, 0.2] for kind in KINDS},
        "jitter": {"head": 0.1, "upper": [0.3, 0.2], "lower": [[0.1], [0.2]]},
        "inversion": {"head": 0, "upper": 0, "lower": 0},
        "swap": {"head": 0, "upper": 0, "lower": 0},
        "miss": {"head": 0.2, "upper": 0.2, "lower": 0.2},
    }


def test_rates_come_as_one_as_bands_or_as_a_grid():
    rates = statistics_from_table(table()).rates_for(refine.skeleton("coco17"))
    assert rates.shape == (5, 17, 2, 1)
    assert rates[JITTER, [0, 5, 11], :, 0].tolist() == [[0.1, 0.1], [0.3, 0.2], [0.1, 0.2]]
    assert rates[GOOD, 5, :, 0] == pytest.approx([0.5, 0.6])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("name",), 3, "entry 'name'"),
        (("neighbour_iou",), 2.0, r"neighbour_iou in \(0, 1\]"),
        (("bands", "visible"), [8, 8], "rising whole numbers"),
        (("bands", "overlap"), ["0"], "rising whole numbers"),
        (("bands", "joints"), 0, "at least 1 joint"),
        (("similarity", "miss"), [0.5], "two or more falling"),
        (("similarity", "miss"), [0.2, 0.5, 0.9], "two or more falling"),
        (("similarity", "miss"), [0.5, 0.1, 0.0], "two or more falling"),
        (("similarity", "good"), [1.0, 0.5], "as many similarities"),
        (("similarity", "good"), "high", "entry 'good'"),
        (("jitter",), None, "entry 'jitter'"),
        (("jitter", "head"), "often", "expected numbers in jitter.head"),
        (("jitter", "head"), [0.1, 0.2, 0.3], "one rate, 2 rates"),
        (("jitter", "head"), 1.2, r"rates in \[0, 1\]"),
        (("jitter", "head"), float("nan"), r"rates in \[0, 1\]"),
    ],
)
def test_wrong_tables_are_refused(path, value, message):
    wrong = table()
    at = wrong
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(FormatError, match=message):
        statistics_from_table(wrong)


def test_rates_beyond_one_are_refused():
    wrong = table()
    wrong["jitter"]["head"] = 0.9
    with pytest.raises(FormatError, match=r"sum to at most 1, got 1\.1 for 'nose'"):
        statistics_from_table(wrong).rates_for(refine.skeleton("coco17"))


def test_missing_parts_are_named():
    hand = Skeleton("h", ("thumb",), regions=("hand",))
    with pytest.raises(FormatError, match=r"'mine': .* jitter for 'thumb' or its region 'hand'"):
        statistics_from_table(table()).rates_for(hand)


def test_files(tmp_path: Path):
    with pytest.raises(FormatError, match=r"one of .*posefix"):
        read_statistics("nothing")
    with pytest.raises(FormatError, match="readable file"):
        read_statistics(tmp_path / "absent.toml")
    path = tmp_path / "mine.toml"
    path.write_bytes(b"name = \n")
    with pytest.raises(FormatError, match=r"mine\.toml: expected TOML"):
        read_statistics(path)
    path.write_bytes(b"name = 'mine'\n")
    with pytest.raises(FormatError, match=r"mine\.toml: expected an entry 'bands'"):
        read_statistics(path)
    shipped = Path(refine.__file__).parents[1] / "stats" / "posefix.toml"
    if shipped.is_file():
        path.write_bytes(shipped.read_bytes())
        assert read_statistics(path).joints == tomllib.loads(path.read_text())["bands"]["joints"]
