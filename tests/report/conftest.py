"""A page about made-up people, before and after `refine.run`, that the tests here read."""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import refine
from refine.cli import cli as verbs
from refine.sample import make_people, make_predictions

VOID = {"meta", "link", "img", "input"}
"""Elements of HTML without an end."""


@dataclass
class Read(HTMLParser):
    """A page as it is read: tags with their attributes, ids, the rows of tables, text."""

    html: str
    tags: list = field(default_factory=list)
    open: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    text: str = ""
    cell: str | None = None

    def __post_init__(self):
        super().__init__()
        self.feed(self.html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.cell = "" if tag in ("td", "th") else self.cell

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        if tag in ("td", "th"):
            self.rows[-1].append(" ".join(self.cell.split()))
            self.cell = None

    def handle_data(self, data):
        self.text += data
        if self.cell is not None:
            self.cell += data

    def all(self, *names):
        return [attrs for tag, attrs in self.tags if tag in names]

    @property
    def data(self):
        """The rows of the table of persons."""
        (text,) = re.findall(r'id="rows-data">(.*?)</script>', self.html, re.S)
        return json.loads(text)


def report(folder, *arguments):
    """Write a report in this process and read it."""
    out = folder / "report.html"
    verbs.main(["report", *map(str, arguments), "-o", str(out)], standalone_mode=False)
    return Read(out.read_text("utf-8"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """Folder with gt.json, images, before.json and after.json."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(1)
    truth, pictures = make_people(16, rng)
    refine.write(truth, folder / "gt.json", "coco-gt")
    (folder / "images").mkdir()
    for ref, pixels in zip(truth.images, pictures, strict=True):
        Image.fromarray(pixels).save(folder / "images" / ref.file_name)
    refine.write(make_predictions(truth, rng), folder / "before.json", "coco")
    before = refine.read(folder / "before.json", images=folder / "gt.json")
    refine.write(refine.run(before), folder / "after.json", precision=3)
    return folder


@pytest.fixture(scope="session")
def options(desk):
    """What compares both files with the truth, and shows pictures."""
    return (
        desk / "before.json", desk / "after.json", "--gt", desk / "gt.json",
        "--images", desk / "images", "--cases", "24",
    )  # fmt: skip


@pytest.fixture(scope="session")
def page(desk, options):
    """The report on both files."""
    return report(desk, *options)


@pytest.fixture
def write(tmp_path):
    """Write a report and read it: ``write(before, "--gt", truth)``."""
    return lambda *arguments: report(tmp_path, *arguments)
