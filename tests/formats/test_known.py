"""The list of formats: a new one is one file and one name; what fits several is an error."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.files import dump_json
from refine.formats import FORMATS, read, sniff
from refine.formats.base import Verdict
from refine.formats.containers import save

README = Path(refine.__file__).parent / "formats" / "README.md"


@pytest.fixture
def toy(monkeypatch):
    """The format of the README, run as it stands there, in the list."""
    room = ModuleType("toy")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    exec(next(block for block in blocks if "FORMATS = " in block), room.__dict__)
    for form in room.FORMATS:
        monkeypatch.setitem(FORMATS, form.name, form)
    return FORMATS["toy"]


def test_a_format_is_one_file_and_one_name(cli, file, toy, tmp_path):
    xy = (np.arange(34.0).reshape(17, 2) + 0.25).tolist()
    source = file({"toys": [{"img": "a.jpg", "xy": xy}]})
    assert sniff(source) == "toy"
    assert read(source).xy[0].tolist() == xy
    out, back = tmp_path / "out.json", tmp_path / "back.json"
    result = cli("convert", source, "-o", out, "--to", "coco")
    assert (result.code, "read as toy, coco17: 1 poses" in result.err) == (0, True)
    assert cli("convert", out, "-o", back, "--to", "toy", "--precision", 1).code == 0
    (found,) = json.loads(back.read_text())["toys"]
    assert found == {"img": "a.jpg", "xy": np.round(xy, 1).tolist()}
    assert re.search(r"toy +Toys of the README", cli("convert", "--help").out)
    assert re.search(r"toy +Toys of the README", cli("formats").out)
    assert "ndjson, toy" in cli("convert", source, "-o", out, "--from", "other").err
    assert cli("convert", tmp_path / "out.json", "-o", tmp_path / "lines", "--to", "toy").code == 0
    file(json.dumps(found).encode(), "in/a.json")
    result = cli("convert", tmp_path / "in", "-o", out, "--from", "toy")
    assert (result.code, "one JSON document for toy, got a folder" in result.err) == (3, True)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_surest_wins_and_a_tie_is_an_error(file, toy, monkeypatch, verdict):
    twin = replace(toy, name="twin", tells="'toys' again", detect=lambda _: verdict)
    monkeypatch.setitem(FORMATS, "twin", twin)
    source = file({"toys": []})
    if verdict < Verdict.YES:
        assert sniff(source) == "toy"
        return
    message = r"toy \('toys'\); twin \('toys' again\); try --from toy or --from twin"
    with pytest.raises(FormatError, match=message):
        sniff(source)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_sample_is_of_its_format_alone(form, file):
    source = file(dump_json(form.sample()))
    assert sniff(source) == form.name
    verdicts = {other.name: other.detect(form.sample()) for other in FORMATS.values()}
    assert max(verdicts, key=verdicts.get) == form.name
    pixels = False if form.shares else None
    body = form.example().skeleton
    assert len(read(source, form.name, skeleton=body, normalised=pixels)) == 1


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("document", [None, True, 3, "x", [], {}, [[]], [None], {"a": None}])
def test_detectors_take_any_json(form, document):
    assert form.detect(document) in Verdict


def test_a_sample_in_every_holding_comes_back(tmp_path):
    names = [0, "7", *(f"{form.name}-a" for form in FORMATS.values())]
    images = [{"id": name, "width": 640, "height": 480} for name in names]
    (tmp_path / "sizes.json").write_bytes(dump_json({"images": images}))
    sizes = {True: tmp_path / "sizes.json", False: None}  # Where the format has none.
    for form in FORMATS.values():
        person = form.example()
        for held, name in (("document", "a.json"), ("folder", "f/"), ("lines", "a.jsonl")):
            if held not in form.holdings:
                continue
            save(form, person, f"{tmp_path}/{form.name}-{name}")
            path = f"{tmp_path}/{form.name}-{name}"
            images = sizes[bool(form.shares) and "image sizes" in form.cannot_hold]
            after = read(path, form.name, skeleton=person.skeleton, images=images)
            assert np.array_equal(after.xy, person.xy, equal_nan=True), (form.name, held)
            assert after.meta["held"] == held
