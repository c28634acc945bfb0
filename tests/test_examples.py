"""Every example runs as a user would run it."""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.fixture
def arguments(tmp_path):
    """A small COCO results file, for the examples that take one."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "image_id": 1,
            "category_id": 1,
            "keypoints": np.c_[rng.uniform(0, 200, (17, 2)), rng.random(17)].ravel().tolist(),
            "score": 0.5,
        }
    ]
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    return {"01_refine_predictions.py": [tmp_path / "pred.json", tmp_path / "out.json"]}


def missing(path):
    """Return the frameworks that an example imports and that are not installed."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    return sorted({n for name in names if not find_spec(n := name.split(".")[0])})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_example(path, arguments):
    if needed := missing(path):
        pytest.skip(f"needs {', '.join(needed)}")
    command = [sys.executable, str(path), *map(str, arguments.get(path.name, []))]
    # One thread: where cores are shared, small networks wait for the second one most of the time.
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(path.read_text().splitlines()) <= 60
