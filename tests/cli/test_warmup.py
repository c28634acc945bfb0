"""`refine warmup`: what the usual verbs call is compiled afterwards."""

import json
import subprocess
import sys

CODE = """
import gc, json, sys, tempfile
from pathlib import Path
import numpy as np
from refine._kernel import Kernel
from refine.cli import cli
from refine.decoding import decode_heatmaps, decode_simcc
from refine.suppression import suppress
from refine.sample import make_people, make_predictions
from refine import evaluate, read, run, write

def compiled():
    kernels = [k for k in gc.get_objects() if isinstance(k, Kernel) and "compiled" in vars(k)]
    return {k.__qualname__: len(getattr(k.compiled, "signatures", ())) for k in kernels}

cli.main(["warmup", "--json"], standalone_mode=False)
before = compiled()
truth, _ = make_people(20, np.random.default_rng(1))
poses = run(make_predictions(truth, np.random.default_rng(2)))
suppress(poses, "soft-linear", 0.5, merge=False)
evaluate(truth, poses)
many = poses[np.arange(5000) % len(poses)]
with tempfile.TemporaryDirectory() as folder:
    write(many, Path(folder) / "many.json", "coco")
    assert len(read(Path(folder) / "many.json")) == 5000
decode_heatmaps(np.ones((3, 17, 96, 72), np.float32))
decode_simcc(np.ones((2, 17, 384), np.float32), np.ones((2, 17, 512), np.float32))
print(json.dumps([before, compiled()]))
"""


def test_afterwards_nothing_is_compiled():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    facts, counts = done.stdout.rsplit("\n", 2)[:2]
    before, after = json.loads(counts)
    assert after == before
    assert {"hard_kernel", "soft_kernel", "decode_fit", "decode_dark", "scan", "spell"} <= set(
        before
    )
    told = json.loads(facts)
    assert sum(told["steps"].values()) <= told["seconds"] < 600
    assert "run" in "".join(told["steps"])
    assert done.stderr.splitlines()[0].startswith("1/10 made-up people: ")
