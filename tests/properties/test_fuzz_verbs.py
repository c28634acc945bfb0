"""Every reader and every verb on damaged files: done or refused, and nothing lost in silence."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st

from refine.formats import FORMATS
from refine.skeletons import skeleton_names
from tests.properties.fuzzing import (
    budget,
    call,
    mutated,
    read_back,
    sample,
    strict,
    told_apart,
    whole,
)

LISTED = {"coco": None, "alphapose": None, "coco-gt": "annotations"}
"""Formats whose documents have a list with a row per person, and where."""
NUMBERS = st.sampled_from(["0.5", "0.9", "1", "0", "-1", "nan", "inf", "1e308", "1e-300", "x"])
COUNTS = st.sampled_from(["1", "20", "0", "-1", "99999999999999999999", "1.5"])


def optional(*flags):
    """Draw some of the flags, each with a value."""
    drawn = [st.just(()) | values.map(lambda v, f=flag: (f, v)) for flag, values in flags]
    return st.tuples(*drawn).map(lambda pairs: [word for pair in pairs for word in pair])


def rows_in(name, data):
    """Count the rows of a file; None where that is not plain."""
    try:
        document = strict(data)
        rows = document if LISTED[name] is None else document[LISTED[name]]
    except (AssertionError, KeyError, TypeError, ValueError):
        return None
    good = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return len(rows) if good else None


def check_count(name, data, poses, err):
    rows = rows_in(name, data) if name in LISTED else None
    assert rows in (None, poses) or told_apart(err), f"{rows} rows, {poses} poses, not a word"


@pytest.mark.parametrize("name", FORMATS)
def test_convert(name):
    @budget(25)
    @given(
        mutated(whole(name)),
        optional(
            ("--from", st.just(name)),
            ("--to", st.sampled_from([*FORMATS])),
            ("--to-skeleton", st.sampled_from(skeleton_names())),
            ("--precision", st.sampled_from(["0", "3", "15", "400", "-1"])),
        ),
    )
    def convert(data, options):
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in.json").write_bytes(data)
            done = call(
                folder, "convert", folder / "in.json", "-o", folder / "out.json", "--json", *options
            )
            if done.code in (0, 4):
                facts = done.facts()
                check_count(name, data, facts["poses"], done.err)
                back = read_back(folder / "out.json", facts["format"], facts["skeleton"])
                assert back == facts["poses"], f"{facts['poses']} poses written, {back} read"

    convert()


@pytest.mark.parametrize("name", FORMATS)
def test_nms(name):
    @budget(12)
    @given(
        mutated(whole(name)),
        optional(
            ("--threshold", NUMBERS),
            ("--score-threshold", NUMBERS),
            ("--visible-threshold", NUMBERS),
            ("--max-poses", COUNTS),
            ("--method", st.sampled_from(["nms", "soft-gaussian", "soft-linear"])),
            ("--area", st.sampled_from(["keypoints", "box", "given"])),
        ),
        st.sampled_from([[], ["--merge"], ["--compat"]]),
    )
    def nms(data, options, more):
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in.json").write_bytes(data)
            out = folder / "out.json"
            done = call(folder, "nms", folder / "in.json", "-o", out, "--json", *options, *more)
            if done.code in (0, 4):
                facts = done.facts()
                assert facts["poses_in"] == facts["poses_out"] + facts["removed"]
                check_count(name, data, facts["poses_in"], done.err)

    nms()


@pytest.mark.parametrize("name", FORMATS)
def test_run(name):
    @budget(6)
    @given(
        mutated(whole(name)),
        optional(("--nms-threshold", NUMBERS), ("--to", st.sampled_from([*FORMATS]))),
    )
    def run(data, options):
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in.json").write_bytes(data)
            out = folder / "out.json"
            done = call(
                folder, "run", folder / "in.json", "-o", out, "--no-refine", "--json", *options
            )
            if done.code in (0, 4):
                facts = done.facts()
                gone = facts["duplicates_removed"] + facts["fragments_joined"]
                assert facts["poses_in"] == facts["poses_out"] + gone
                check_count(name, data, facts["poses_in"], done.err)

    run()


TRUTH, ROWS = 0, 1
OUTPUTS = {"stats": "out.toml", "calibrate": "out.json", "draw": "out.svg", "report": "out.html"}


@pytest.mark.parametrize("verb", ["eval", "diagnose", "stats", "calibrate", "draw", "report"])
@pytest.mark.parametrize("which", [TRUTH, ROWS], ids=["truth", "predictions"])
def test_verbs_with_truth(verb, which):
    files = [st.just(None), st.just(None)]
    files[which] = mutated(sample()[which])
    sound = sample()

    times = {"eval": 60, "diagnose": 20, "stats": 20, "calibrate": 10, "draw": 10, "report": 3}

    @budget(times[verb])
    @given(
        *files,
        optional(
            ("--sigmas", st.sampled_from([*skeleton_names(), "0.05", "nan", "-1"])),
            ("--image-ids", st.just("no.json"))
            if verb in ("calibrate", "draw")
            else ("--max-dets", COUNTS),
        ),
    )
    def judge(truth, rows, options):
        with TemporaryDirectory() as place:
            folder = Path(place)
            for name, data, good in (("gt", truth, sound[0]), ("pred", rows, sound[1])):
                data = json.dumps(good).encode() if data is None else data
                (folder / f"{name}.json").write_bytes(data)
            words = [verb, folder / "pred.json", "--gt", folder / "gt.json", "--json", *options]
            if verb in OUTPUTS:
                words += ["-o", folder / OUTPUTS[verb]]
            done = call(folder, *words)
            if done.code == 0 and verb == "eval":
                (report,) = done.facts().values()
                values = report["metrics"].values()
                assert all(value == -1 or 0 <= value <= 1 for value in values), values
                check_count("coco", (folder / "pred.json").read_bytes(), report["poses"], done.err)
            elif done.code == 0:
                done.facts()

    judge()


@pytest.mark.parametrize("name", FORMATS)
def test_draw(name):
    @budget(4)
    @given(
        mutated(whole(name)),
        optional(
            ("--sort", st.sampled_from(["file", "change"])),
            ("--score-threshold", NUMBERS),
            ("--size", st.sampled_from(["16", "100", "0", "x"])),
        ),
        st.sampled_from([[], ["--persons"], ["--crop"], ["--whole"]]),
        st.sampled_from(["out.svg", "out.png", "out"]),
    )
    def draw(data, options, more, out):
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in.json").write_bytes(data)
            (folder / "again.json").write_bytes(data)
            words = ["draw", folder / "in.json", folder / "again.json", "-o", folder / out]
            done = call(folder, *words, "--json", *options, *more)
            if done.code in (0, 4):
                facts = done.facts()
                assert facts["drawn"] == facts["of"] > 0
                assert out != "out" or len(list((folder / out).iterdir())) == facts["of"]

    draw()
