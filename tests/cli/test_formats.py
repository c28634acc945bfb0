"""`refine formats`, and the table that it prints into the README of the room."""

import json
import pkgutil
import tomllib
from pathlib import Path

import pytest

import refine
from refine.formats import FORMATS

README = Path(refine.__file__).parent / "formats" / "README.md"


def test_the_list_names_all(cli):
    result = cli("formats")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.splitlines()] == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_shows_a_sample_that_converts(cli, tmp_path, name):
    result = cli("formats", name)
    words, _, sample = result.out.partition("\n\n")
    assert FORMATS[name].about in words
    assert all(loss in words for loss in FORMATS[name].cannot_hold)
    out = tmp_path / "out.ndjson"
    pixels = ["--pixels"] if name == "yolo" else []  # No sizes in there.
    words = ("convert", "-", "-o", out, "--from", name, *pixels)
    assert cli(*words, stdin=sample.encode()).code == 0
    assert len(refine.read(out, normalised=False if pixels else None)) == 1


def test_json(cli):
    found = json.loads(cli("formats", "--json").out)
    assert list(found) == list(FORMATS)
    assert found["ndjson"]["holdings"] == ["lines", "folder", "document"]
    assert found["ndjson"]["cannot_hold"] == []


def test_an_unknown_format(cli):
    result = cli("formats", "darknet")
    assert result.code == 3
    assert "one of coco, coco-gt" in result.err


def test_drop_ins_are_listed_and_are_there(cli):
    rows = json.loads(cli("formats", "--drop-ins", "--json").out)
    assert cli("formats", "--drop-ins").out.count("\n") == len(rows)
    adapters = {m.name for m in pkgutil.iter_modules(refine.adapters.__path__)}
    told = " ".join(row["name"] for row in rows).lower()
    assert all(name in told for name in adapters if not name.startswith("_"))


@pytest.mark.parametrize("options", ["--markdown", "--drop-ins --markdown"])
def test_the_readme_is_not_stale(cli, options):
    """If it is: `refine formats --markdown` between the two comments, or what they name."""
    text = README.read_text("utf-8")
    table = text.split(f"<!-- generated: refine formats {options} -->\n")[1]
    assert table.split("<!-- end -->")[0] == cli("formats", *options.split()).out


def test_every_format_tells_where_it_was_read_and_what_it_is_tested_against():
    table = tomllib.loads((README.parent / "sources.toml").read_text("utf-8"))
    assert table.keys() == FORMATS.keys()
    assert all(row.keys() == {"source", "tested"} for row in table.values())
