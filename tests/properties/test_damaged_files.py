"""A file with one wrong value is read or refused, never a crash; what was read can be written."""

import copy
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.files import dump_json
from refine.formats import FORMATS

JUNK = [
    None, True, -1, 0, 1.5, 1e300, -1e300, 2**63, 10**30, 10**400, float("nan"), float("inf"),
    "", "x", "1", "a\0b", "\ud800", [], {}, [1], [[]], [{}], [[1]], [None], [1, "a"], [1, 2, 3, 4],
    [[1, 2, 3, 4]], {"a": 1}, {"a": {"b": []}},
]  # fmt: skip
EXAMPLES = 80
LEAST_READ = 3
"""Of the damaged files of a format so many are read, at least: names and unknown fields may hold
anything. With none, the test would tell only that the format refuses."""


@cache
def whole(name):
    """Two persons on one image, with all that the format has a place for."""
    form = FORMATS[name]
    person = form.example().done("suppress", threshold=0.9).done("complete", "sha256:ab", joints=1)
    two = person[[0, 0]].replace(extra=({"note": [1, {"a": "b"}], "x": 1, "y": None},) * 2)
    return json.loads(dump_json(form.write(two, None, "document")))


def spots(value, path=()):
    """Paths to the values of a document; of long lists to the first four."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(len(value), 4)):
            yield from spots(value[key], (*path, key))


def damaged(document, path, junk, remove):
    if not path:
        return junk
    broken = copy.deepcopy(document)
    spot = broken
    for key in path[:-1]:
        spot = spot[key]
    if remove:
        del spot[path[-1]]
    else:
        spot[path[-1]] = junk
    return broken


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused(name):
    document, body = whole(name), FORMATS[name].example().skeleton
    places = list(spots(document))
    outcomes = {name: [], None: []}

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.sampled_from(places), st.sampled_from(JUNK), st.booleans())
    def try_one(path, junk, remove):
        with TemporaryDirectory() as folder:
            file, out = Path(folder) / "bad.json", Path(folder) / "again.json"
            file.write_text(json.dumps(damaged(document, path, junk, remove)), "utf-8")
            for given_name, found in outcomes.items():
                message = ""
                try:
                    refine.write(refine.read(file, given_name, skeleton=body), out)
                except refine.RefineError as error:
                    message = str(error)
                assert len(message) < 700
                found.append(not message)

    try_one()
    for found in outcomes.values():
        assert LEAST_READ <= sum(found) < len(found)
