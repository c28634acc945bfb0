"""Small files are done in Python, before compiled code would be loaded, and come out the same."""

import json
import subprocess
import sys

import numpy as np
import pytest

from refine.cli import decode, nms
from refine.formats import write
from refine.sample import make_heatmaps, make_people, make_predictions


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(0)
    truth, _ = make_people(12, rng)
    write(make_predictions(truth, rng), folder / "predictions.json", "coco")
    np.savez(folder / "maps.npz", **make_heatmaps(truth[:5], rng))
    return folder


VERBS = {
    "nms": ("predictions.json", nms, ("--threshold", 0.5)),
    "decode": ("maps.npz", decode, ("--preset", "refine")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_small_files_come_out_as_large_ones_do(cli, files, tmp_path, monkeypatch, verb):
    name, module, options = VERBS[verb]
    written = []
    for few in (module.FEW, -1):
        monkeypatch.setattr(module, "FEW", few)
        out = tmp_path / f"{few}.json"
        assert cli(verb, files / name, *options, "-o", out).code == 0
        written.append(out.read_bytes())
    assert written[0] == written[1]
    assert len(json.loads(written[0])) > 4


@pytest.mark.parametrize("verb", VERBS)
def test_small_files_need_nothing_heavy(files, tmp_path, verb):
    name, _, options = VERBS[verb]
    arguments = [verb, str(files / name), *map(str, options), "-o", str(tmp_path / "out.json")]
    code = f"from refine.cli import cli\ncli.main({arguments}, standalone_mode=False)"
    code += "\nimport sys\nprint(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numba", "torch", "scipy", "pycocotools", "matplotlib", "rich", "PIL"}
    assert not set(done.stdout.split()) & heavy
