"""Scanned files are what json.loads and the readers make of them, or are left to these."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.evaluation import ground_truth, predictions
from refine.evaluation.coco import evaluate
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.predictions import read_predictions
from refine.files import dump_json, plain_data
from refine.formats import io as readers, scan
from refine.formats.base import Options
from refine.formats.plain import scan_ground_truth, scan_results
from refine.formats.scan import scan_rows
from refine.sample import make_people, make_predictions

FIELDS = {"a": 0, "b": 2}


@pytest.fixture
def files(tmp_path):
    """Return the paths of ground truth and results, plain ones."""
    rng = np.random.default_rng(5)
    truth, _ = make_people(12, rng)
    found = make_predictions(truth, rng)
    refine.write(truth, tmp_path / "gt.json", "coco-gt")
    refine.write(found, tmp_path / "pred.json", "coco")
    return tmp_path / "gt.json", tmp_path / "pred.json"


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-1e4, 1e4),
            st.floats(0, 1),
            st.integers(-(10**25), 10**25),
            st.integers(-(10**6), 10**6),
            st.decimals(-1000, 1000, places=2).map(float),
        ),
        min_size=4,
    )
)
def test_numbers_are_those_of_python(numbers):
    text = json.dumps([{"a": number} for number in numbers])
    found = scan_rows(text.encode(), 0, FIELDS)
    expected = [float(row["a"]) for row in json.loads(text)]
    assert found.values["a"].tolist() == expected
    assert found.whole["a"] == all(isinstance(n, int) and abs(n) < 10**18 for n in numbers)


@pytest.mark.parametrize(
    "number",
    ["0", "-0", "-0.0", "1e5", "1E-7", "123456.789e+2", "0.1e-30", "9007199254740993",
     "0.30000000000000004", "123456789012345678", "0.1234567890123456789012", "1234567.1234567",
     "12345678.12345678", "5e-324", "0.000001", "100000000000000000000000"],
)  # fmt: skip
@pytest.mark.parametrize("tail", ["}]", '}, {"a": 0, "c": "far away from the end"}]'])
def test_ways_of_writing(number, tail):
    found = scan_rows(f'[{{"a": {number}{tail}'.encode(), 0, FIELDS).values["a"][0]
    expected = float(json.loads(number))
    assert found == expected
    assert np.signbit(found) == np.signbit(expected)


@pytest.mark.parametrize(
    "value",
    ["1", "[]", "{}", "[1, [2], {}]", '{"x": [1, {"y": null}], "z": "w"}', '"text"', "null", "true",
     "false", "[[0.5, 1e3], [-2]]", "[\n 1\t,2 ]"],
)  # fmt: skip
def test_other_fields_are_passed_over(value):
    text = f'[{{"c": {value}, "a": 1}} ,{{"a":2,"c":{value},"b":[3, 4]}}]'
    rows = scan_rows(text.encode(), 0, FIELDS)
    assert rows.values["a"].tolist() == [1, 2]
    assert rows.given["b"].tolist() == [False, True]
    assert rows.values["b"][1].tolist() == [3, 4]
    assert json.loads(text[slice(*rows.first)]) == json.loads(text)[0]


@pytest.mark.parametrize(
    "value",
    ["", "01", "1.", ".5", "+1", "1e", "-", "[1,]", "[,1]", "[1 2]", "{1: 2}", '{"x"}', '{"x": }',
     '{"x": 1,}', "[1}", "nul", "NaN", "Infinity", "tru", '"a', '"\\n"', '"é"', '"\t"', "[" * 70,
     "1 1", "1]", "[1"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a", "c"])
def test_what_is_not_plain_is_left_alone(name, value):
    text = f'[{{"{name}": {value}, "b": [1, 2]}}, {{"a": 1, "{name}": {value}}}]'
    assert scan_rows(text.encode(), 0, FIELDS) is None


@pytest.mark.parametrize(
    "text",
    ["", "[", "{}", "[1]", "[[]]", '[{"a": 1}', '[{"a": 1}}', '[{"a": 1},]', '[{"a": 1} {"a": 1}]',
     '[{"a": "1"}]', '[{"a": null}]', '[{"a": [1]}]', '[{"b": [1]}]', '[{"b": [1, 2, 3]}]',
     '[{"a": 1e999}]', '[{"a": 1, "a": 2}]', '[{}]', '[{"no": 1}]', '[{"a": 1, "no": 2}]'],
)  # fmt: skip
def test_nor_is_anything_else(text):
    assert scan_rows(text.encode(), 0, FIELDS, ["no"]) is None


def test_files_cut_anywhere(files):
    for path, scanned in ((files[0], scan_ground_truth), (files[1], scan_results)):
        data = path.read_bytes()
        where = path if scanned is scan_ground_truth else Options("x")
        assert scanned(data, where) is not None
        for stop in range(0, len(data) - 2, 97):
            assert scanned(data[:stop], where) is None


def same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        elif field.name == "persons":
            same(a, b)
        elif field.name == "listing":
            assert list(a) == list(b)
        elif field.name not in ("extra", "meta"):
            assert a == b, field.name


def test_scanned_files_are_read_as_others(files, monkeypatch):
    body = refine.skeleton("coco17")
    slow = read_ground_truth(files[0]), read_predictions(files[1], body)
    expected = evaluate(*files)
    for module in (predictions, ground_truth, scan):
        monkeypatch.setattr(module, "LARGE", 0)
    same(slow[0], read_ground_truth(files[0]))
    found = read_predictions(files[1], body)
    same(slow[1], found)
    assert "keypoint_scores" not in found.extra[0]
    assert evaluate(*files) == expected
    dicts = [json.loads(path.read_bytes()) for path in files]
    assert evaluate(*dicts).metrics == expected.metrics


@pytest.mark.parametrize(
    "change",
    [{}, {"id": 7}, {"bbox": [1, 2, 3, 4], "area": 12.5}, {"score": 1}, {"action": "none"},
     {"track_id": 3}, {"category_id": 2}, {"file_name": "a.jpg"}, {"id": "7"}, {"score": None},
     {"keypoints": [0, 0, 0.9, -1, -1, 0, *range(45)]}],
)  # fmt: skip
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("options", [{}, {"zero_is_missing": False}, {"format": "coco"}])
def test_poses_are_those_of_the_other_reader(files, monkeypatch, change, every, options):
    rows = json.loads(files[1].read_text())
    for row in rows if every else rows[3:4]:
        row.update(change)
    files[1].write_text(json.dumps(rows))
    slow = refine.read(files[1], **options)
    monkeypatch.setattr(readers, "LARGE", 0)
    if not change:
        monkeypatch.delattr(readers, "_parsed")
    fast = refine.read(files[1], **options)
    same(slow, fast)
    assert (fast.extra, fast.meta) == (slow.extra, slow.meta)


@pytest.mark.parametrize("change", range(7))
def test_odd_results_are_said_as_ever(files, monkeypatch, change):
    rows = json.loads(files[1].read_text())
    odd = [
        {"keypoints": rows[3]["keypoints"][:48]},
        {"keypoints": [1e7, *rows[3]["keypoints"][1:]]},
        {"image_id": 1.5},
        {"image_id": None},
        {"bbox": [1, 2, 3]},
        {"score": "0.5"},
        {"score": None},
    ]
    rows[3] |= odd[change]
    files[1].write_text(json.dumps(rows))
    told = []
    for large in (1 << 20, 0):
        monkeypatch.setattr(predictions, "LARGE", large)
        with pytest.raises(refine.exceptions.RefineError) as caught:
            evaluate(*files)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_more_rows_than_the_first_lets_one_expect():
    long = json.dumps([{"a": 0, "c": "x" * 9000}, *({"a": i} for i in range(1, 500))]).encode()
    assert scan_rows(long, 0, FIELDS).values["a"].tolist() == list(range(500))
    assert scan_rows(b"[" + b"{}," * 5000 + b'{"a": 1}]', 0, FIELDS) is None


@pytest.mark.parametrize(
    "value",
    [0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 65535, 65536, -32769, 2**31, 2**32 - 1,
     0.5, -0.0, 1e300, 5e-324, [1], [], {}, None, True, "1", float("nan"), float("inf"), 2**63,
     10**30, np.float32(0.5), np.int64(7), np.arange(2), np.True_, (1, 2), {"x": {1: 2}}, {3}],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("name", ["a", "c", "b"])
def test_parsed_rows_are_those_of_their_json(monkeypatch, name, value):
    monkeypatch.setattr(scan, "LARGE", 0)
    rows = [{"a": 1, "b": [0.25, -7]}, {"a": 2, "d": "x" * 300, "e": [[1] * 20] * 20}]
    rows[1][name] = value
    found = scan.scan_objects(rows, FIELDS)
    try:
        text = dump_json(plain_data(rows))
        expected = None if b"null" in text and name != "c" else scan_rows(text, 0, FIELDS)
    except refine.exceptions.FormatError:
        expected = None
    if found is None:
        # Text of other fields is looked at less closely, and what is odd is left to others.
        assert expected is None or isinstance(value, int)
        return
    assert expected is not None or name == "c"
    if expected is not None:
        for field in FIELDS:
            np.testing.assert_array_equal(found.values[field], expected.values[field])
            np.testing.assert_array_equal(found.given[field], expected.given[field])
            assert found.whole[field] == expected.whole[field]
