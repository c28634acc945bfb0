"""A file with one wrong value is read or refused, never a crash; what was read can be written."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.formats import FORMATS
from tests.properties.fuzzing import JUNK, damaged, spots, whole

EXAMPLES = 200
LEAST_READ = 3
"""Of the damaged files of a format so many are read, at least: one in twelve of arrays, two in
three of annotations, whose names and unknown fields may hold anything. With none, the test would
tell only that the format refuses."""


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused(name):
    document, body = whole(name), FORMATS[name].example().skeleton
    places = list(spots(document))
    pixels = False if FORMATS[name].shares else None  # Their sizes may be elsewhere.
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
                    poses = refine.read(file, given_name, skeleton=body, normalised=pixels)
                    refine.write(poses, out)
                except refine.RefineError as error:
                    message = str(error)
                assert len(message) < 700
                found.append(not message)

    try_one()
    for found in outcomes.values():
        assert LEAST_READ <= sum(found) < len(found)
