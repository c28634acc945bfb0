"""The house: which module may import which, what loads when, and how long files are."""

import ast
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import refine

ROOT = Path(refine.__file__).parent
# From the ground up; a room imports only from lower floors, and no two rooms share one.
FLOORS = (
    "_version",
    "exceptions",
    "_threads",
    "_types",
    "_compilation",
    "_kernel",
    "_exp",
    "numerics",
    "files",
    "tensors",
    "npz",
    "skeletons",
    "geometry",
    "crops",
    "history",
    "tables",
    "sketch",
    "poses",
    "categories",
    "images",
    "oks",
    "rescore",
    "onnx",
    "suppression",
    "formats",
    "evaluation",
    "checks",
    "decoding",
    "errors",
    "refiner",
    "motion",
    "calibration",
    "pipeline",
    "corpus",
    "sample",
    "drawing",
    "report",
    "adapters",
    "cli",
    "__main__",
)
FLOOR = {room: floor for floor, room in enumerate(FLOORS)}


def module_of(path, root):
    """Name a file as imports do, below the package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class House:
    """All imports of a package, also the type checker's: (file, imported file, imported name)."""

    def __init__(self, root, package="refine"):
        self.files = {module_of(p, root): p for p in sorted(root.rglob("*.py"))}
        self.arrows = [
            a
            for m, p in self.files.items()
            for a in self._of(m, ast.parse(p.read_text("utf-8")), package)
        ]

    def _of(self, module, tree, package):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = [(a.name, None) for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: relative import"
                found = [(node.module, a.name) for a in node.names]
            else:
                continue
            for name, part in found:
                head, _, target = name.partition(".")
                if head != package:
                    continue
                inner = f"{target}.{part}".lstrip(".")
                if part and inner in self.files:
                    yield module, inner, None
                else:
                    yield module, target, part

    def upward(self, floor):
        """List the arrows that run to a higher floor, the root package being the highest."""

        def level(module):
            return floor[module.split(".")[0]] if module else len(floor)

        return [a for a in self.arrows if a[0] and level(a[1]) > level(a[0])]

    def circles(self):
        """List the groups of files that import one another, however far around (Tarjan)."""
        targets = {m: set() for m in self.files}
        for module, target, _ in self.arrows:
            if target in targets and target != module:
                targets[module].add(target)
        index, low, stack, found = {}, {}, [], []

        def visit(m):
            index[m] = low[m] = len(index)
            stack.append(m)
            for t in targets[m]:
                if t not in index:
                    visit(t)
                    low[m] = min(low[m], low[t])
                elif t in stack:
                    low[m] = min(low[m], index[t])
            if low[m] == index[m]:
                group = stack[stack.index(m) :]
                del stack[stack.index(m) :]
                if len(group) > 1:
                    found.append(sorted(group))

        for m in targets:
            if m not in index:
                visit(m)
        return found

    def private(self):
        """List the arrows that take another file's private name."""
        return [a for a in self.arrows if a[2] and a[2].startswith("_") and a[2][1] != "_"]


HOUSE = House(ROOT)
PATHS = sorted(HOUSE.files.values())


def test_every_room_has_its_floor():
    assert {m.split(".")[0] for m in HOUSE.files} - {""} <= set(FLOORS), "a new room: a floor, too"


def test_no_arrow_runs_up():
    assert HOUSE.upward(FLOOR) == []


def test_eyes_know_nothing_of_what_is_built_on_them():
    """Inside the refiner: eyes, and above them what fuses what they see."""
    above = ("refiner.image", "refiner.reread", "refiner.pose")
    eyes = [a for a in HOUSE.arrows if a[0].startswith("refiner.eyes")]
    assert eyes
    assert not [a for a in eyes if a[1].startswith(above)]


def test_no_circle_of_files():
    assert HOUSE.circles() == []


def test_nothing_imports_the_root_package():
    assert [a for a in HOUSE.arrows if a[1] == ""] == []


def test_no_private_name_is_taken_across_files():
    assert HOUSE.private() == []


def test_the_tests_of_the_house_can_fail(tmp_path):
    for name, text in {
        "__init__": "",
        "oks": "def f():\n    from refine.formats import read\n",
        "skeleton": "from refine import run\nfrom refine.oks import _private\n",
        "formats/__init__": "from refine.formats.a import x\n",
        "formats/a": "import refine.formats.b\n",
        "formats/b": "from refine.formats import a\n",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    house = House(tmp_path)
    floor = {"skeleton": 0, "oks": 1, "formats": 2}
    assert house.upward(floor) == [
        ("oks", "formats", "read"),
        ("skeleton", "", "run"),
        ("skeleton", "oks", "_private"),
    ]
    assert house.circles() == [["formats.a", "formats.b"]]
    assert house.private() == [("skeleton", "oks", "_private")]


def test_a_room_and_what_it_shows_never_share_a_name():
    shared = []
    for module, path in HOUSE.files.items():
        if path.name == "__init__.py":
            room = import_module(f"refine.{module}".rstrip("."))
            shared += [
                f"{room.__name__}.{part.name}"
                for part in pkgutil.iter_modules([str(path.parent)])
                if not isinstance(getattr(room, part.name, sys), type(sys))
            ]
    assert shared == []


@pytest.mark.parametrize("path", PATHS, ids=lambda p: str(p.relative_to(ROOT)))
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

    verbs = [v for v in VERBS if (ROOT / "cli" / f"{v.replace('-', '_')}.py").exists()]
    assert verbs == list(VERBS)
    code = "from refine.cli import cli\n" + "".join(
        f"cli.main(['{v}', '--help'], standalone_mode=False)\n" for v in verbs
    )
    assert not loaded(code) & {"numba", "torch", "scipy", "pycocotools", "matplotlib", "rich"}


def test_public_names_exist():
    for name in refine.__all__:
        assert getattr(refine, name) is not None
    assert set(refine.__all__) <= set(dir(refine))
    with pytest.raises(AttributeError, match="No refine attribute nothing"):
        _ = refine.nothing
