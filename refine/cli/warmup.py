"""`refine warmup`: compile beforehand what the verbs compile when they are first used."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import json_option, say, summary

if TYPE_CHECKING:
    from refine.poses import Poses

IMAGES = 40
"""Of made-up people: enough for the evaluation to be compiled."""
MANY = 4000
"""Poses, whose file is scanned."""


@click.command("warmup")
@json_option
def command(as_json: bool) -> None:
    """Compile what the verbs compile on first use, and keep it: a minute once, not in between.

    For large files, nms, run, eval, and decode of heatmaps, SimCC, part affinity fields, tags
    and offsets.
    """
    from refine.cli._progress import stage

    begin = time.perf_counter()
    seconds: dict[str, float] = {}
    people: list[Poses] = []
    steps: dict[str, Callable[[list[Poses]], None]] = {
        "made-up people": _make,
        "large files": _write_and_read,
        "nms": _suppress,
        "run": _refine,
        "eval": _evaluate,
        "decode of heatmaps": _decode_heatmaps,
        "decode of SimCC": _decode_simcc,
        "decode of part affinity fields": _decode_fields,
        "decode of tags": _decode_tags,
        "decode of offsets": _decode_offsets,
    }
    for number, (name, step) in enumerate(steps.items()):
        with stage(f"{number + 1}/{len(steps)} {name}", seconds):
            step(people)
    total = time.perf_counter() - begin
    if as_json:
        summary({"seconds": total, "steps": seconds}, data_on_stdout=False)
    else:
        say(f"all is compiled: {total:.1f} s")


def _make(people: list["Poses"]) -> None:
    import numpy as np

    from refine.sample import make_people, make_predictions

    rng = np.random.default_rng(0)
    truth, _ = make_people(IMAGES, rng)
    people += [truth, make_predictions(truth, rng)]


def _write_and_read(people: list["Poses"]) -> None:
    import numpy as np

    from refine.formats import read, write

    many = people[1][np.arange(MANY) % len(people[1])]
    with tempfile.TemporaryDirectory() as folder:
        write(many, Path(folder) / "many.json", "coco")
        read(Path(folder) / "many.json")


def _suppress(people: list["Poses"]) -> None:
    from refine.suppression import METHODS, suppress

    for method in METHODS:
        suppress(people[1], method)
    suppress(people[1], merge=True)


def _refine(people: list["Poses"]) -> None:
    from refine.pipeline import run

    run(people[1])


def _evaluate(people: list["Poses"]) -> None:
    from refine.evaluation import evaluate

    evaluate(*people)


def _decode_heatmaps(people: list["Poses"]) -> None:
    from refine.decoding.heatmap.arrays import METHODS, decode_heatmaps

    for method in METHODS:
        decode_heatmaps(_noise(17, 64, 48)[None], method)  # type: ignore[arg-type]


def _decode_simcc(people: list["Poses"]) -> None:
    for preset in ("simcc", "simcc-dark"):
        _decode({"x": _noise(1, 17, 384), "y": _noise(1, 17, 512)}, preset)


def _decode_fields(people: list["Poses"]) -> None:
    for preset in ("openpose", "refine-paf"):
        _decode({"heatmaps": _noise(19, 9, 9), "pafs": _noise(38, 9, 9)}, preset)


def _decode_tags(people: list["Poses"]) -> None:
    _decode({"heatmaps": _noise(17, 64, 64), "tags": _noise(17, 64, 64)}, "higherhrnet")


def _decode_offsets(people: list["Poses"]) -> None:
    arrays = {
        "heatmaps": _noise(17, 23, 31),
        "short_offsets": _noise(34, 23, 31),
        "mid_offsets": _noise(64, 23, 31),
    }
    _decode(arrays, "posenet")


def _decode(arrays: dict[str, Any], preset: str) -> None:
    from refine.decoding import decode

    decode(arrays, preset, affine=[[1, 0, 0], [0, 1, 0]], image_size=(72, 72))


def _noise(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).random(shape, np.float32)
