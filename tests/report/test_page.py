"""The page: what it says is what the verbs say, and anyone can read it."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import refine
from refine.evaluation.coco import METRICS, evaluate_counted
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.parts import Options
from refine.evaluation.resampling import paired_intervals

CSS = (Path(refine.__file__).parent / "report" / "page.css").read_text("utf-8")


def printed_rows(text):
    """The rows of tables that a verb prints, cell by cell; names may hold blanks."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if "  " in line]


def test_its_figures_are_those_of_eval(cli, page, desk):
    files = desk / "before.json", desk / "after.json"
    rows = printed_rows(cli("eval", "--gt", desk / "gt.json", *files).out)[1:]
    assert len(rows) == 2
    for label, file, row in zip(("Before", "After"), files, rows, strict=True):
        assert [f"{label}: {file.name}", *row[1:]] in page.rows


def test_its_figures_are_those_of_diagnose(cli, page, desk):
    for name in ("before", "after"):
        printed = printed_rows(cli("diagnose", "--gt", desk / "gt.json", desk / f"{name}.json").out)
        assert len(printed) > 50
        for row in printed:
            # What cannot be cured exactly has an empty cell, which a printed line cannot show.
            assert row in [[cell for cell in each if cell] for each in page.rows], row


def test_its_figures_are_those_of_calibrate(cli, page, desk, tmp_path):
    pred, gt = desk / "before.json", desk / "gt.json"
    printed = printed_rows(cli("calibrate", pred, gt, "-o", tmp_path / "c.json").err)
    rows = [row for row in printed if row[0] in ("source", "refined", "calibrated")]
    assert len(rows) == 3
    for row in rows:
        assert row in [[cell for cell in each if cell] for each in page.rows], row


def test_its_intervals_are_paired(page, desk):
    truth = read_ground_truth(desk / "gt.json")
    files = [refine.read(desk / f"{name}.json") for name in ("before", "after")]
    gains = paired_intervals([evaluate_counted(truth, each, Options()) for each in files])[1].gains
    for metric in METRICS:
        g = gains[metric]
        assert [metric, f"{g.value:+.4f} ({g.low:+.3f} to {g.high:+.3f})"] in page.rows


def test_persons_have_the_oks_that_they_are_scored_by(page, desk):
    truth = read_ground_truth(desk / "gt.json")
    rows = [row["cells"] for row in page.data["rows"] if row["cells"][1].startswith("person ")]
    assert len(rows) == int((~truth.persons.ignore).sum())
    good = sum(row[4] >= 0.5 for row in rows) / len(rows)
    after = refine.evaluate(truth, refine.read(desk / "after.json"))
    assert good == pytest.approx(after["AR50"], abs=1e-9)


def test_it_is_whole(page, desk):
    """One file, without a network, every reference within it."""
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {attrs["href"] for attrs in page.all("a", "use")} - {"#"}
    targets |= {f"#{name}" for name in re.findall(r"url\(#([^)]+)\)", page.html)}
    assert len(targets) > 50
    assert {target for target in targets if target[1:] not in ids} == set()
    sources = [attrs["src"] for attrs in page.all("img", "script") if "src" in attrs]
    persons = sum("Truth" in attrs["alt"] for attrs in page.all("img"))
    assert 12 < persons <= 24
    assert len(sources) == 24 * 2 + persons
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//|@import|url\((?!#)", page.html)
    assert (desk / "report.html").stat().st_size < 15e6 / 5


def test_it_can_be_heard_and_walked_through(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(attrs["alt"] for attrs in page.all("img"))
    charts = page.all("svg")
    assert len(charts) > 12
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 10 for attrs in charts)
    assert page.all("html")[0]["lang"] == "en"
    assert all(attrs["scope"] in ("col", "row") for attrs in page.all("th"))


def test_the_text_of_charts_is_text(page):
    charts = re.findall(r"<svg.*?</svg>", page.html, re.S)
    assert all("<text" in chart for chart in charts)
    assert "<style" not in "".join(charts)
    assert "recall" in page.text
    assert max(map(len, charts)) < 60_000


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_that_of_wcag_aa(theme):
    block = re.findall(r":root \{(.*?)\}", CSS, re.S)[theme]
    colours = {k: luminance(v) for k, v in re.findall(r"--([\w-]+): (#\w{6})", block)}

    def contrast(a, b):
        high, low = sorted((colours[a], colours[b]), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ground in ("paper", "raised"):
        for text in ("ink", "quiet", "link", "good", "bad"):
            assert contrast(text, ground) >= 4.5, (text, ground)
    for name in colours:
        if name.startswith("series"):
            assert contrast(name, "paper") >= 3, name


def test_it_tells_how_it_was_made(page, desk):
    after = refine.read(desk / "after.json")
    assert ["After", str(desk / "after.json")] in [row[:2] for row in page.rows]
    for step in after.history:
        assert step.name in [row[0] for row in page.rows if row]
        assert not step.weights or step.weights in page.text
    assert "command: refine" in page.text
    assert refine.__version__ in page.text


def test_what_others_wrote_is_escaped(write, desk, tmp_path):
    evil = "<script>alert(1)</script><!--.jpg"
    gt = json.loads((desk / "gt.json").read_text())
    for image in gt["images"]:
        image["file_name"] = f"{image['id']}{evil}"
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    name = tmp_path / "a<b onload=x>&.json"
    name.write_bytes((desk / "before.json").read_bytes())
    page = write(name, "--gt", tmp_path / "gt.json", "--cases", "6")
    assert "alert(1)</script>" not in page.html
    assert "<b onload" not in page.html
    assert len(page.all("script")) == 2
    assert any(row["cells"][0].endswith(evil) for row in page.data["rows"])
    assert name.name in page.text
