"""The pages that people read: links lead somewhere, and the front page stays short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not {".venv", "build", "refine-demo", ".hypothesis"} & set(page.relative_to(ROOT).parts)
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        found = page.parent / target
        assert found.exists(), target
        if anchor:
            text = (found / "README.md" if found.is_dir() else found).read_text("utf-8")
            heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in [h.lower().replace(" ", "-").replace("'", "") for h in heads], anchor


def test_the_front_page_is_read_to_the_end():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_scripts_that_pages_name_exist():
    for page in PAGES:
        for name in re.findall(
            r"`(?:python |python -m )?(tests/[\w/.]+\.py)", page.read_text("utf-8")
        ):
            assert (ROOT / name).is_file(), f"{page.name}: {name}"
