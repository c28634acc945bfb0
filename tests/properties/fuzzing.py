"""What the fuzzers share: their budget, damaged documents, and what every command must keep to.

`make test` runs few examples, the same ones each time; `make fuzz` many, others with every seed.
"""

import contextlib
import copy
import io
import json
import os
import sys
import warnings
from functools import cache
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, settings, strategies as st

import refine
from refine.cli import main
from refine.files import dump_json
from refine.formats import FORMATS
from refine.formats.known import get_format
from refine.sample import make_people, make_predictions
from refine.skeletons import skeleton_names

JUNK = [
    None, True, -1, 0, 1.5, 1e300, -1e300, 2**63, 10**30, 10**400, float("nan"), float("inf"),
    "", "x", "1", "a\0b", "\ud800", [], {}, [1], [[]], [{}], [[1]], [None], [1, "a"], [1, 2, 3, 4],
    [[1, 2, 3, 4]], {"a": 1}, {"a": {"b": []}},
]  # fmt: skip
CODES = {0, 2, 3, 4}
LONGEST = 2000
"""Characters that a refusal may have; lists of formats and presets are long."""


def budget(examples):
    """Return the settings of a fuzzer: so many examples, REFINE_FUZZ times as many at length."""
    times = int(os.environ.get("REFINE_FUZZ", "0"))
    return settings(
        max_examples=examples * max(times, 1),
        derandomize=not times,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def spots(value, path=(), whole=False):
    """Paths to the values of a document; of long lists to the first four, and all of the last.

    In a table that is one of the rows below its header.
    """
    yield path
    if isinstance(value, dict | list):
        some = range(len(value)) if whole or isinstance(value, dict) else {*range(len(value))[:4]}
        keys = value if isinstance(value, dict) else sorted({*some, len(value) - 1} - {-1})
        for key in keys:
            last = isinstance(value, list) and key == len(value) - 1 > 0
            yield from spots(value[key], (*path, key), whole or (last and key > 3))


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


@cache
def whole(name):
    """Two persons on one image, with all that the format has a place for."""
    form = FORMATS[name]
    person = form.example().done("suppress", threshold=0.9).done("complete", "sha256:ab", joints=1)
    two = person[[0, 0]].replace(extra=({"note": [1, {"a": "b"}], "x": 1, "y": None},) * 2)
    return json.loads(dump_json(form.write(two, None, "document")))


@cache
def sample():
    """Annotations of a few people, and COCO results for them."""
    rng = np.random.default_rng(0)
    truth, _ = make_people(3, rng)
    found = make_predictions(truth, rng)
    documents = (FORMATS["coco-gt"].write(truth, None, "document"), write_rows(found))
    return tuple(json.loads(dump_json(document)) for document in documents)


def write_rows(poses):
    return FORMATS["coco"].write(poses, 2, "document")


@st.composite
def mutated(draw, document, most=3):
    """Draw a file: a document with up to three wrong values, as bytes that may be damaged too."""
    for _ in range(draw(st.integers(0, most))):
        path = draw(st.sampled_from(list(spots(document))))
        junk, remove = draw(st.sampled_from(JUNK) | st.floats()), draw(st.booleans())
        document = damaged(document, path, junk, remove)
        if not isinstance(document, dict | list):
            break
    data = json.dumps(document).encode()
    if draw(st.integers(0, 9)) == 0:
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 20))
        data = data[:at] + draw(st.binary(max_size=8)) + data[at + length :]
    return data


class Done:
    """What a command left behind: exit code, standard output and error."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def facts(self):
        return strict(self.out)


def strict(data):
    """Parse JSON that holds no number that JSON has not."""

    def refuse(text):
        raise AssertionError(f"{text} in JSON")

    value = json.loads(data, parse_constant=refuse)
    stack = [value]
    while stack:
        item = stack.pop()
        assert item not in (float("inf"), -float("inf")), "a number beyond all floats in JSON"
        if isinstance(item, dict | list):
            stack += item.values() if isinstance(item, dict) else item
    return value


def call(folder, *arguments):
    """Run a command in this process; it must end by the table and leave nothing half done.

    A failure of the program raises what it stumbled over. OUT, the argument after -o, is there
    exactly if the command says that all is well.
    """
    before = set(folder.iterdir())
    words = [str(word) for word in arguments]
    done = _call(words)
    if done.code not in CODES:
        with mock.patch.dict(os.environ, REFINE_DEBUG="1"):
            _call(words)  # Raises, which tells one failure from another.
        raise AssertionError(f"exit {done.code}: {done.err}")
    assert "Traceback" not in done.err
    new = set(folder.iterdir()) - before
    out = {folder / words[i + 1] for i, word in enumerate(words[:-1]) if word == "-o"}
    if done.code in (0, 4):
        assert new == out - before, "drafts, or no output"
    else:
        assert new == set(), "output of a command that failed"
        assert done.err.strip()
        assert len(done.err.splitlines()[-1]) < LONGEST
    return done


def _call(words):
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    code = 0
    with (
        mock.patch.object(sys, "argv", ["refine", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    texts = []
    for stream in (out, err):
        if not stream.closed:
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        else:
            texts.append("")
    return Done(code, *texts)


def told_apart(err):
    """Return what was said besides what is always said."""
    usual = ("read as", "sigmas of", " poses on ", "wrote ", "joints:")
    return [line for line in err.splitlines() if not any(word in line for word in usual)]


def read_back(path, format, skeleton):
    """Return how many poses our own output has; it must be readable and hold numbers only.

    Shares of images are read as they stand, since not all formats that hold shares hold sizes; a
    skeleton that does not ship is the file's own.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        for line in file.read_text("utf-8").splitlines() if format == "ndjson" else [None]:
            strict(file.read_bytes() if line is None else line)
    pixels = False if get_format(format).shares else None
    skeleton = skeleton if skeleton in skeleton_names() else None
    return len(refine.read(path, format, skeleton=skeleton, normalised=pixels)) if files else 0
