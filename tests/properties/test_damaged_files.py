"""A file with one wrong value is read or refused, never a crash; what was read can be written."""

import contextlib
import copy
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.formats import FORMATS

OPENPOSE_FAMILY = {"openpose", "controlnet", "alphapose-cmu", "alphapose-open"}
NUMBERS = (-1, 0, 1.5, 2**63, 10**400, 1e300, -1e300, float("nan"), float("inf"))
BAD = st.sampled_from(
    [
        None,
        True,
        "1",
        "",
        "\ud800",
        "a\0b",
        [],
        {},
        [[]],
        [{}],
        [None],
        [1, "a"],
        {"a": 1},
        *NUMBERS,
    ]
)


@cache
def document(name):
    """Two persons on one image, with all that the format has a place for."""
    body = refine.skeleton("openpose18" if name in OPENPOSE_FAMILY else "coco17")
    people = refine.Poses.from_arrays(
        body,
        np.random.default_rng(0).uniform(0, 300, (2, len(body), 2)).round(2),
        np.full((2, len(body)), 0.5),
        instance_score=[0.5, 0.6],
        box=[[1, 2, 30, 40]] * 2,
        area=[5.0, 6.0],
        images=[refine.ImageRef("a" if name in OPENPOSE_FAMILY else 7, "a.jpg", 640, 480)],
    ).replace(track=np.array([3, 4]))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "out.json"
        refine.write(people.done("suppress", threshold=0.9), file, name)
        return json.loads(file.read_text("utf-8"))


def spots(value, path=()):
    """Paths to the values of a document; of long lists to the first four."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(len(value), 4)):
            yield from spots(value[key], (*path, key))


def damaged(whole, path, value, remove):
    if not path:
        return value
    broken = copy.deepcopy(whole)
    spot = broken
    for key in path[:-1]:
        spot = spot[key]
    if remove:
        del spot[path[-1]]
    else:
        spot[path[-1]] = value
    return broken


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(name, data):
    whole = document(name)
    path = data.draw(st.sampled_from(list(spots(whole))))
    broken = damaged(whole, path, data.draw(BAD), data.draw(st.booleans()))
    with TemporaryDirectory() as folder:
        file, out = Path(folder) / "bad.json", Path(folder) / "again.json"
        file.write_text(json.dumps(broken), "utf-8")
        for given_name in (name, None):
            with contextlib.suppress(refine.RefineError):
                refine.write(refine.read(file, given_name), out)
