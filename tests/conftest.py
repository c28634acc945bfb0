"""Fixtures that every room's tests share."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

collect_ignore = ["benchmarks"]


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the evaluation data, which is not part of the project."""
    folder = Path(os.environ.get("REFINE_DATA", "../shared/data"))
    if not (folder / "splits.json").is_file():
        pytest.skip("evaluation data absent; set REFINE_DATA")
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
