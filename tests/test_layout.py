"""The house: which module may import which, what loads when, and how long files are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import refine

ROOT = Path(refine.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py"))
# Rooms by rank; imports point from higher to lower, and within a rank.
RANKS = (
    {"exceptions"},
    {"skeleton", "geometry", "files"},
    {"poses"},
    {"oks"},
    {"merge", "suppress_kernels"},
    {"decode", "errors", "suppress", "rescore", "evaluate", "groundtruth", "pck", "formats"},
    {"refiner"},
    {"posefix"},
    {"calibration", "pipeline", "sample"},
    {"draw", "adapters"},
    {"cli", "__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}


def room(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported_rooms(path):
    """Rooms that a file imports; imports for the type checker alone do not run."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "refine" and len(parts) > 1 and parts[1] in RANK:
                yield parts[1]


def backward(path):
    own = room(path)
    return sorted({r for r in imported_rooms(path) if RANK[r] > RANK.get(own, 99)})


def test_every_module_has_its_rank():
    rooms = {room(p) for p in FILES} - {"__init__"}
    assert rooms <= set(RANK), "a new room: give it a rank"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    assert backward(path) == []


def test_a_backward_arrow_is_seen(monkeypatch, tmp_path):
    (tmp_path / "oks.py").write_text("def f():\n    from refine.formats import read\n")
    (tmp_path / "skeleton.py").write_text("import refine.poses\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert backward(tmp_path / "oks.py") == ["formats"]
    assert backward(tmp_path / "skeleton.py") == ["poses"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path):
    assert len(path.read_text("utf-8").splitlines()) < 400


def loaded(code):
    """Top-level modules that a fresh interpreter has after running code."""
    script = f"{code}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded("import refine") & {"torch", "numba", "scipy", "numpy", "pycocotools"}
    assert not loaded("import refine\nrefine.Poses, refine.skeleton('coco17')") & {"torch", "numba"}


def test_help_loads_nothing_heavy():
    heavy = {"numpy", "numba", "torch", "scipy", "pycocotools", "matplotlib", "rich"}
    code = "from refine.cli import cli\ncli.main(['--help'], standalone_mode=False)"
    assert not loaded(code) & heavy


def test_help_of_every_verb_loads_nothing_heavy():
    from refine.cli import VERBS

    verbs = [v for v in VERBS if (ROOT / "cli" / f"{v}.py").exists()]
    code = "from refine.cli import cli\n" + "".join(
        f"cli.main(['{v}', '--help'], standalone_mode=False)\n" for v in verbs
    )
    assert not loaded(code) & {"numba", "torch", "scipy", "pycocotools", "matplotlib", "rich"}


def test_public_names_exist():
    for name in refine.__all__:
        assert getattr(refine, name) is not None
    assert set(refine.__all__) <= set(dir(refine))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = refine.nothing
