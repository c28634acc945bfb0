"""Fixtures that every room's tests share."""

import os
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

collect_ignore = ["benchmarks", "fuzz.py", "journeys/make.py", "lowest.py", "wheel.py"]
SKIPS = tomllib.loads(Path(__file__).with_name("skips.toml").read_text("utf-8"))["skip"]


def judge_skips(found):
    """Sort skipped tests, (name, reason) each, by the entry of skips.toml that allows them.

    Returns:
        how often each entry was used, and a line for each skip that none allows.
    """
    used, unlisted = Counter(), []
    for name, reason in found:
        fits = (
            i
            for i, entry in enumerate(SKIPS)
            if re.search(entry["reason"], reason)
            and any(fnmatch(name, tests) for tests in entry["tests"])
            and used[i] < entry.get("most", len(found))
        )
        if (entry := next(fits, None)) is None:
            unlisted.append(f"{name}: {reason}")
        else:
            used[entry] += 1
    return used, unlisted


def _skipped(config):
    reports = config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    return [(report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reports]


def pytest_sessionfinish(session, exitstatus):
    """Fail a run in which a test was skipped that tests/skips.toml does not list."""
    if exitstatus == pytest.ExitCode.OK and judge_skips(_skipped(session.config))[1]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """Say which tests were skipped, and why that is allowed."""
    used, unlisted = judge_skips(_skipped(config))
    if used or unlisted:
        terminalreporter.section("skipped, by tests/skips.toml")
    for entry, count in sorted(used.items()):
        terminalreporter.line(f"{count:4} in {', '.join(SKIPS[entry]['tests'])}")
        terminalreporter.line(f"     {SKIPS[entry]['why']}")
    for line in unlisted:
        terminalreporter.line(f"NOT LISTED  {line}", red=True)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the evaluation data, which is not part of the project."""
    folder = Path(os.environ.get("REFINE_DATA", "../shared/data"))
    if not (folder / "splits.json").is_file():
        pytest.skip("evaluation data absent; set REFINE_DATA")
    return folder


@pytest.fixture(scope="session")
def pictured(tmp_path_factory):
    """Return a folder of 2 pictures of 7 persons, annotated in gt.json."""
    import numpy as np
    from PIL import Image

    import refine
    from refine.sample import make_people

    folder = tmp_path_factory.mktemp("pictured")
    truth, pictures = make_people(2, np.random.default_rng(4))
    refine.write(truth, folder / "gt.json", "coco-gt")
    for ref, pixels in zip(truth.images, pictures, strict=True):
        Image.fromarray(pixels).save(folder / ref.file_name)
    return folder


@dataclass
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capfdbinary, monkeypatch):
    """Run the command line in this process: ``cli("nms", path, "-o", out).code``."""

    def run(*arguments, stdin: bytes | None = None) -> Result:
        import io
        import sys

        from refine.cli import main

        monkeypatch.setattr(sys, "argv", ["refine", *map(str, arguments)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        sys.stdout.flush()
        got = capfdbinary.readouterr()
        code = caught.value.code
        return Result(int(code or 0), got.out.decode(), got.err.decode())

    return run
