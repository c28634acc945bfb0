"""Whatever is told of the steps is read off one list."""

import importlib
import json
import sys

import numpy as np
import pytest

from refine.exceptions import RefineError
from refine.formats import read, write
from refine.history import EXPECTED_KS_STEPS
from refine.pipeline import Config, run, steps
from refine.poses import Poses
from refine.skeletons import skeleton

COCO = skeleton("coco17")
NOOP = """
from refine.pipeline.step import Count, PipelineStep

STEP = PipelineStep(
    "noop",
    "Leave everything as it is.",
    lambda poses, context: poses.done("noop", None, poses=len(poses)),
    count=Count("poses", "poses_left_alone", "poses left alone"),
)
"""


@pytest.fixture
def poses() -> Poses:
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 200, (2, 17, 2))
    xy[0, 3] = np.nan
    return Poses.from_arrays(COCO, xy, rng.random((2, 17)), instance_score=[0.9, 0.5])


@pytest.fixture
def noop(tmp_path, monkeypatch):
    """One file beside the steps, and one entry between the second and the third of them."""
    (tmp_path / "noop_step.py").write_text(NOOP)
    monkeypatch.syspath_prepend(tmp_path)
    step = importlib.import_module("noop_step").STEP
    monkeypatch.setattr(steps, "STEPS", (*steps.STEPS[:2], step, *steps.STEPS[2:]))
    yield
    del sys.modules["noop_step"]


def test_names_are_those_of_the_files():
    assert tuple(step.name for step in steps.STEPS) == steps.ORDER
    assert Config().steps == tuple(step.name for step in steps.STEPS if not step.video)
    assert Config().steps == ("join", "complete", "correct", "rescore", "suppress")
    for step in steps.STEPS:
        assert step.help.endswith(".")
        assert "\n" not in step.help


@pytest.mark.parametrize("step", steps.STEPS, ids=lambda s: s.name)
def test_a_step_leaves_its_name_and_what_files_know_of_its_scores(poses, step, tmp_path):
    tracked = poses.replace(score_kind="peak", track=np.arange(2))
    done = run(tracked, Config(steps=(step.name,), fps=30))
    assert [s.name for s in done.history] == [step.name]
    assert (done.score_kind == "expected_ks") == (step.name in EXPECTED_KS_STEPS)
    write(done, tmp_path / "p.json", "coco")
    assert (read(tmp_path / "p.json").score_kind == "expected_ks") == (
        done.score_kind == "expected_ks"
    )
    if step.learned:
        with pytest.raises(RefineError, match=f"went through {step.name}"):
            run(done)
    else:
        run(done, fps=30)
    parameters = done.history[0].parameters
    if step.count:
        assert step.describe(parameters) == f"{parameters[step.count.parameter]} {step.count.words}"
    else:
        assert step.describe(parameters) == ""


def test_the_refiner_is_loaded_and_asked_once(poses, monkeypatch):
    from refine.refiner.pose.refiner import Refiner

    calls = []
    load, believe = Refiner.load.__func__, Refiner.believe
    monkeypatch.setattr(
        Refiner, "load", classmethod(lambda cls, *a: calls.append("load") or load(cls, *a))
    )
    monkeypatch.setattr(
        Refiner, "believe", lambda self, *a: calls.append("believe") or believe(self, *a)
    )
    run(poses)
    assert calls == ["load", "believe"]
    calls.clear()
    run(poses, Config(scores="mean", steps=("rescore", "suppress")))
    assert calls == []


def test_a_step_more_is_one_file_and_one_entry(noop, poses, cli, tmp_path, monkeypatch):
    done = run(poses)
    assert [s.name for s in done.history] == [
        "join", "complete", "noop", "correct", "rescore", "suppress"
    ]  # fmt: skip
    only = Config.from_table({"steps": ["noop"]})
    np.testing.assert_array_equal(run(poses, only).xy, poses.xy)
    with pytest.raises(RefineError, match="join, complete, noop, correct"):
        Config(steps=("polish",))

    import refine.cli.run

    importlib.reload(refine.cli.run)
    text = cli("run", "--help").out
    assert "join,complete,noop,correct,rescore,suppress" in "".join(text.split())
    assert "Leave everything as it is." in text
    write(poses, tmp_path / "in.json", "coco")
    result = cli("run", tmp_path / "in.json", "-o", tmp_path / "out.json", "--json")
    assert "1 joints filled, 2 poses left alone, " in result.err
    facts = json.loads(result.out)
    assert facts["poses_left_alone"] == 2
    assert facts["steps"] == [s.name for s in done.history]
    assert [s.name for s in read(tmp_path / "out.json").history] == facts["steps"]
    result = cli("run", tmp_path / "in.json", "-o", tmp_path / "b.json", "--steps", "noop")
    assert result.code == 0
    assert result.err.endswith("2 poses on 1 images: 2 poses left alone\n")
    monkeypatch.undo()
    importlib.reload(refine.cli.run)
