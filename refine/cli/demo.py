"""`refine demo`: the main job on a sample that the project makes itself."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._namesake import warn_of_namesake
from refine.cli._output import json_option, say, summary

if TYPE_CHECKING:
    from refine.poses import Poses

IMAGES = 60
"""Enough for an average precision that moves by a point or two between seeds."""
MAPS = 80
"""Persons whose heatmaps are decoded."""
SHOWN = 4
"""Images in the picture: the first ones with several persons."""
METRICS = ("AP", "AP50", "AP75", "AR")
DECODERS = {
    "argmax": ("argmax", None),
    "quarter": ("quarter", None),
    "DARK": ("dark", 11),
    "fit (ours)": ("fit", None),
}
TIMES = 15
"""Predictions of each person on a photograph."""
BORDER = 2.5
"""Cells from the edge of the map where the published decoders lose their neighbours."""


@click.command("demo")
@click.option("-o", "--output", default="refine-demo", show_default=True, metavar="FOLDER")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@json_option
def command(output: str, seed: int, as_json: bool) -> None:
    """Show the main job: make people, pictures and bad predictions; refine; compare.

    FOLDER receives truth.json, images, predictions.json, refined.json, heatmaps.npz and
    before-after.png; the same of two photographs is in its folder photographs.
    """
    import numpy as np

    from refine.cli._progress import stage
    from refine.files import write_bytes
    from refine.formats import read, write
    from refine.pipeline import Config, run
    from refine.pipeline.runner import summarise
    from refine.sample import make_heatmaps, make_people, make_predictions

    warn_of_namesake()
    folder = _make_folder(Path(output))
    say("some 20 s of the very first run go into compiling; `refine warmup` does it beforehand")
    seconds: dict[str, float] = {}
    files = {
        name.split(".")[0]: folder / name
        for name in ("truth.json", "predictions.json", "refined.json", "heatmaps.npz")
    }
    rng = np.random.default_rng(seed)
    with stage("making people, pictures, predictions and heatmaps", seconds):
        truth, pictures = make_people(IMAGES, rng)
        write(truth, files["truth"], "coco-gt")
        write(make_predictions(truth, rng), files["predictions"], "coco")
        maps = make_heatmaps(truth[:MAPS], rng)
        write_bytes(files["heatmaps"], _npz(maps))
        for ref, pixels in zip(truth.images, pictures, strict=True):
            write_bytes(folder / "images" / str(ref.file_name), _png(pixels))
    with stage("refining", seconds):
        before = read(files["predictions"], images=files["truth"])
        moved = run(before, Config(steps=tuple(s for s in Config().steps if s != "suppress")))
        after = run(before)
        write(after, files["refined"], precision=3)
    with stage("evaluating", seconds):
        stages = {"predictions": before, "refined": moved, "refined, no duplicates": after}
        table = {name: _figures(truth, poses) for name, poses in stages.items()}
    with stage("decoding heatmaps", seconds):
        decoders = _decoder_errors(maps)
    with stage("drawing", seconds):
        picture = folder / "before-after.png"
        write_bytes(picture, _draw(truth, before, after, folder / "images"))
    with stage("looking at two photographs, as with --images", seconds):
        seen = _look(folder / "photographs", rng)

    if as_json:
        facts = {"folder": str(folder), "seed": seed, "poses": table, "decoders": decoders}
        facts["photographs"] = seen
        summary(facts, data_on_stdout=False)
    else:
        click.echo(_report(table, decoders))
        click.echo(_photographs_report(seen))
    sentence, _ = summarise(after.history)
    say(f"{len(before)} poses of {len(truth)} persons on {IMAGES} images: {sentence}")
    say(f"see {picture} and {folder / 'photographs' / 'before-after.png'}")
    say("the same by hand:")
    for line in (
        "refine run {predictions} --sizes {truth} -o {refined}",
        "refine eval --gt {truth} {predictions} {refined}",
        "refine decode {heatmaps} --preset refine -o {decoded}",
        "refine run {seen}/predictions.json --images {seen} -o {seen}/refined.json",
        "refine draw {predictions} {refined} --gt {truth} --images {images} -o {sheet}",
        "refine report {predictions} {refined} --gt {truth} --images {images} -o {report}",
    ):
        made = {"decoded": folder / "decoded.json", "seen": folder / "photographs"}
        made |= {"images": folder / "images", "sheet": folder / "most-changed.png"}
        made |= {"report": folder / "report.html"}
        say("  " + line.format(**files, **made))


def _look(folder: Path, rng: Any) -> dict[str, float]:
    """Refine predictions for photographs, whose pictures are looked at; return mean OKS."""
    import numpy as np

    from refine.files import write_bytes
    from refine.formats import read, write
    from refine.oks import pairwise_oks
    from refine.pipeline import Config, run
    from refine.sample import make_predictions
    from refine.sample.photographs import photographed_people, photographs

    folder.mkdir(exist_ok=True)
    for name, data in photographs():
        write_bytes(folder / name, data)
    truth, _ = photographed_people(TIMES)
    write(truth, folder / "truth.json", "coco-gt")
    write(make_predictions(truth, rng), folder / "predictions.json", "coco")
    before = read(folder / "predictions.json", images=folder / "truth.json")
    stages = {"predictions": before, "refined": run(before)}
    stages["refined, looking"] = after = run(before, Config(pictures=str(folder)))
    write(after, folder / "refined.json", precision=3)
    write_bytes(folder / "before-after.png", _draw(truth, before, after, folder))
    sigmas, people = truth.skeleton.require_sigmas(), dict(truth.by_image())

    def mean_oks(poses: "Poses") -> float:
        assert truth.area is not None
        best = []
        for ref, rows in poses.by_image():
            at = people[ref]
            table = pairwise_oks(
                truth.xy[at], poses.xy[rows], truth.area[at], sigmas, missing="zero"
            )
            best.append(table.max(initial=0.0))
        return float(np.mean(best))

    return {name: mean_oks(poses) for name, poses in stages.items()}


def _photographs_report(seen: dict[str, float]) -> str:
    lines = ["", f"{'photographs':<24}{'mean OKS':>10}"]
    return "\n".join([*lines, *(f"{name:<24}{oks:10.3f}" for name, oks in seen.items())])


def _make_folder(folder: Path) -> Path:
    from refine.exceptions import FormatError

    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(
            f"expected a folder to write to, got: {error.strerror}",
            where=str(folder),
            hint="another -o",
        ) from None
    return folder


def _figures(truth: "Poses", poses: "Poses") -> dict[str, Any]:
    from refine.evaluation.coco import evaluate

    report = evaluate(truth, poses)
    return {
        **{name: report[name] for name in METRICS},
        "poses": len(poses),
        "joints": int(poses.present.sum()),
    }


def _decoder_errors(maps: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the mean distance in cells between true and decoded centres within the map."""
    import numpy as np

    from refine.decoding import decode_heatmaps

    cells = maps["cells"]
    last = np.array(maps["heatmaps"].shape[:1:-1]) - 1
    margin = np.minimum(cells, last - cells).min(-1)
    zones = {"inside": margin >= BORDER, "border": (margin >= 0) & (margin < BORDER)}
    out: dict[str, dict[str, float]] = {"joints": {z: int(at.sum()) for z, at in zones.items()}}
    for name, (method, kernel) in DECODERS.items():
        xy, _ = decode_heatmaps(maps["heatmaps"], method, kernel)  # type: ignore[arg-type]
        error = np.linalg.norm(xy - cells, axis=-1)
        out[name] = {
            zone: float(np.mean(error[at])) if at.any() else np.nan for zone, at in zones.items()
        }
    return out


def _draw(truth: "Poses", before: "Poses", after: "Poses", folder: Path) -> bytes:
    """Draw the first images with several persons, on pictures in a folder, as a PNG."""
    from refine.drawing.cases import find_cases
    from refine.drawing.cells import Look
    from refine.drawing.files import Pictures, contact_sheet, encode
    from refine.drawing.stages import line_up
    from refine.evaluation.ground_truth import read_ground_truth
    from refine.refiner.image.crops import find_pictures

    stages = line_up({"before": before, "after": after}, read_ground_truth(truth))
    cases = find_cases(stages)
    several = [case for case in cases if len(case.truth) > 1] or cases
    pictures = Pictures(find_pictures(folder, stages.images))
    return encode(contact_sheet(stages, several[:SHOWN], pictures, Look()), "png")


def _report(table: dict[str, dict[str, Any]], decoders: dict[str, dict[str, float]]) -> str:
    lines = [f"{'poses':<24}" + "".join(f"{m:>8}" for m in METRICS) + f"{'poses':>8}{'joints':>8}"]
    for name, row in table.items():
        figures = "".join(f"{row[m]:8.3f}" for m in METRICS)
        lines.append(f"{name:<24}{figures}{row['poses']:>8}{row['joints']:>8}")
    count = decoders["joints"]
    lines += ["", f"{'heatmaps, error in cells':<24}{'inside':>8}{'border':>8}"]
    lines += [
        f"{name:<24}{row['inside']:8.3f}{row['border']:8.3f}"
        for name, row in decoders.items()
        if row is not count
    ]
    lines.append(f"{'joints':<24}{count['inside']:>8}{count['border']:>8}")
    return "\n".join(lines)


def _npz(arrays: dict[str, Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _png(pixels: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
