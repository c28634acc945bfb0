"""Many poses are written in the very bytes of the other writer, or are left to it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.files import dump_json
from refine.formats import io as writers
from refine.formats.spelling.results import ROWS, spell_results
from refine.history import Step
from refine.poses import ImageRef
from refine.sample import make_people, make_predictions


def some(xy, **changes):
    """Return poses with these coordinates."""
    xy = np.array(xy, np.float64)
    numbers = np.arange(len(xy))
    made = refine.Poses.from_arrays(
        "coco17", xy, np.round(xy[..., 0] % 1, 3), instance_score=numbers / 7, image=numbers // 2
    )
    return made.replace(**changes)


def written(poses, precision=None):
    parts = spell_results(poses, precision)
    return None if parts is None else b"".join(parts)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-1e4, 1e4),
            st.floats(-1, 1),
            st.integers(-(10**12), 10**12).map(float),
            st.decimals(-1000, 1000, places=2).map(float),
            st.decimals(-1, 1, places=6).map(float),
        ),
        min_size=1,
        max_size=34,
    )
)
def test_numbers_are_those_of_the_encoder(numbers):
    xy = np.resize(np.array(numbers), (1, 17, 2))
    expected = dump_json(refine.formats.FORMATS["coco"].write(some(xy), None, "document"))
    assert written(some(xy)) == expected


CHANGES = [
    {},
    {"box": np.tile([1.5, 2.25, 30.1, 40.7], (9, 1)), "area": np.arange(9.0)},
    {"extra": tuple({"category_id": i % 3} for i in range(9))},
    {"extra": tuple({"id": 10**8 + i} for i in range(9))},
    {"history": (Step("suppress", {"threshold": 0.9}),)},
    {"score": np.full((9, 17), np.nan), "score_kind": "none"},
    {"score": np.where(np.arange(17) < 3, np.nan, 0.5) * np.ones((9, 1))},
    {"meta": {"missing": "minus-one"}},
    {"meta": {"missing": "null", "null_scores": True}},
]
OTHERS = [
    {"extra": tuple({"action": "none"} for _ in range(9))},
    {"extra": tuple({"id": i} if i else {} for i in range(9))},
    {"extra": tuple({"category_id": True} for _ in range(9))},
    {"track": np.arange(9)},
    {"area": np.where(np.arange(9) == 4, np.nan, 1.0)},
    {"images": tuple(ImageRef(f"{i}.jpg") for i in range(5))},
    {"meta": {"named": False}},
    {"meta": {"parts": True}},
]


@pytest.mark.parametrize("change", CHANGES + OTHERS)
@pytest.mark.parametrize("precision", [None, 1])
def test_files_are_those_of_the_other_writer(tmp_path, monkeypatch, change, precision):
    xy = np.random.default_rng(0).uniform(0, 300, (9, 17, 2)).round(2)
    xy[2, 3:5] = np.nan
    xy[5] /= 3
    poses = some(xy, **change)
    assert (spell_results(poses, precision) is None) == any(change is other for other in OTHERS)
    for name, large in (("slow.json", 1 << 20), ("fast.json", 0)):
        monkeypatch.setattr(writers, "LARGE", large)
        refine.write(poses, tmp_path / name, "coco", precision=precision)
    assert (tmp_path / "fast.json").read_bytes() == (tmp_path / "slow.json").read_bytes()


def test_parts_may_end_anywhere():
    people, _ = make_people(3, np.random.default_rng(1))
    found = make_predictions(people, np.random.default_rng(2))
    for n in (1, ROWS - 1, ROWS, ROWS + 1):
        rows = np.resize(np.arange(len(found)), n)
        many = found[rows].replace(extra=(), meta={}, instance_score=np.ones(n))
        parts = list(spell_results(many, None))
        assert len(json.loads(b"".join(parts))) == n
        assert len(parts) == 1 + (n > ROWS)


def test_nothing_is_written_of_no_poses():
    assert spell_results(refine.Poses.empty("coco17", [ImageRef(1)]), None) is None


LINES = [
    *CHANGES,
    {"track": np.arange(9) - 3},
    {"image": np.array([5, 0, 5, 2, 2, 0, 9, 5, 0]), "images": tuple(map(ImageRef, range(12)))},
    {"images": tuple(ImageRef(f"{i}", f"é{i}.jpg", 640, 480, i, {"k": [i]}) for i in range(9))},
    {"extra": ({"unlabelled_places": {"nose": [1.123, None, 0.5]}}, {"a": None}, *[{}] * 7)},
    {"extra": ({"keypoints": None}, *[{}] * 8)},
    {"area": np.where(np.arange(9) % 2, np.nan, 7), "box": np.where(np.eye(9, 4), np.nan, 0.1)},
]


@pytest.mark.parametrize("change", LINES)
@pytest.mark.parametrize("precision", [None, 1])
def test_lines_are_those_of_the_writer(tmp_path, monkeypatch, change, precision):
    xy = np.random.default_rng(3).uniform(-10, 640, (9, 17, 2))
    xy[0], xy[1, 3], xy[2] = np.nan, np.nan, xy[2].round(2)
    poses = some(xy, **change)
    files = []
    for least, rows in ((1 << 20, ROWS), (0, 2), (0, ROWS)):
        monkeypatch.setattr(writers, "LARGE", least)
        monkeypatch.setattr("refine.formats.ndjson.ROWS", rows)
        refine.write(poses, tmp_path / "a.ndjson", precision=precision)
        files.append((tmp_path / "a.ndjson").read_bytes())
    assert files[0].count(b"\n") == len(poses.images)
    assert files[0] == files[1] == files[2]
