"""What a type checker, an editor and a process pool see of the public names."""

import inspect
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import refine

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FUNCTIONS = sorted(n for n in refine.__all__ if inspect.isfunction(getattr(refine, n)))
CLASSES = sorted(n for n in refine.__all__ if inspect.isclass(getattr(refine, n)))


def snippets():
    """Yield (name, code) of every fenced Python block of the pages that people copy from."""
    for room, page in {"front": ROOT / "README.md", "room": ROOT / "examples/README.md"}.items():
        for i, block in enumerate(FENCE.findall(page.read_text("utf-8"))):
            yield f"{room}_{i}", block


def test_snippets_and_examples_type_check(tmp_path):
    files = sorted(map(str, (ROOT / "examples").glob("*.py")))
    for name, code in snippets():
        path = tmp_path / f"{name}.py"
        path.write_text(code)
        files.append(str(path))
    assert len(files) > 12
    done = mypy(files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_can_fail(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("import refine\n\nrefine.suppress(refine.read('a.json'), threshold='high')\n")
    assert "arg-type" in mypy([str(path)]).stdout


def mypy(files):
    command = [sys.executable, "-m", "mypy", "--strict", *files]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True
    )


def test_the_public_functions_are_those_that_are_meant():
    assert FUNCTIONS == [
        "convert", "crop", "decode", "draw", "evaluate", "load_eye", "read", "run", "set_threads",
        "skeleton", "sniff", "stream", "suppress", "write",
    ]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_show_what_they_take(name):
    """Names, types and a text: what `help` and an editor print."""
    function = getattr(refine, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
        assert parameter.kind is not inspect.Parameter.VAR_POSITIONAL, parameter
    assert len(inspect.getdoc(function).splitlines()) > 1
    assert function.__name__ == name


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_public_names_pickle(name):
    thing = getattr(refine, name)
    assert pickle.loads(pickle.dumps(thing)) is thing


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder of small files: ground truth, predictions, heatmaps of one crop."""
    from refine.sample import make_people, make_predictions

    folder, rng = tmp_path_factory.mktemp("pool"), np.random.default_rng(0)
    truth, _ = make_people(2, rng)
    refine.write(truth, folder / "gt.json", "coco-gt")
    refine.write(make_predictions(truth, rng), folder / "pred.json", "coco")
    maps = np.zeros((1, 17, 64, 48), np.float32)
    maps[..., 30, 20] = 1
    np.savez(folder / "maps.npz", heatmaps=maps, affine=[[[1.0, 0, 0], [0, 1, 0]]])
    return folder


@pytest.fixture(scope="module")
def pool():
    """Return one other process, started as Windows and macOS start theirs."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


# What `stream` returns is an iterator, which stays in its process.
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "stream"])
def test_functions_work_in_a_process_pool(name, files, pool):
    poses = refine.read(files / "pred.json")
    arguments = {
        "convert": (poses, "openpose18"),
        "crop": (np.zeros((9, 9, 3), np.uint8), refine.Crop.from_box([[0, 0, 9, 9]], (4, 4))),
        "decode": (files / "maps.npz",),
        "draw": (poses[poses.image == 0],),
        "evaluate": (files / "gt.json", poses),
        "load_eye": ("image-small",),
        "read": (files / "pred.json",),
        "run": (poses, refine.Config(steps=("suppress",))),
        "set_threads": (1,),
        "skeleton": ("coco17",),
        "sniff": (files / "pred.json",),
        "suppress": (poses,),
        "write": (poses, files / "again.json", "coco"),
    }[name]
    function = getattr(refine, name)
    there, here = pool.submit(function, *arguments).result(timeout=120), function(*arguments)
    assert type(there) is type(here)
    if isinstance(here, refine.Poses):
        np.testing.assert_array_equal(there.xy, here.xy)
        assert there.skeleton == here.skeleton
    elif isinstance(here, np.ndarray):
        np.testing.assert_array_equal(there, here)
    elif isinstance(here, refine.Eye):
        crops = np.full((1, 256, 192, 3), 99, np.uint8)
        assert there.weights == here.weights
        np.testing.assert_array_equal(there.look(crops), here.look(crops))
    elif name != "evaluate":
        assert there == here
    else:
        assert there["AP"] == here["AP"] > 0
