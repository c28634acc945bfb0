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
