"""`refine train --images`: from annotated pictures to the weights of an image refiner."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import say
from refine.cli._progress import follow, is_first
from refine.files import write_bytes

if TYPE_CHECKING:
    from refine.refiner.image.train import PictureProgress


def train_pictures(
    annotations: str,
    images: str | None,
    output: Path,
    options: dict[str, Any],
    *,
    preset: str = "light",
    imagenet: str | None = None,
    validate: str | None = None,
    validate_images: str | None = None,
    weights: str = "coco17",
    skeleton: str | None = None,
    resume: bool = False,
    device: str | None = None,
    workers: int = 2,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Train an image refiner as the options of `refine train` say.

    Args:
        annotations: COCO annotations, or a .toml file of sets.
        images: folder of their pictures; None with a .toml file.
        output: a .safetensors path.
        options: changes to the preset's settings.
        preset: see `refine.refiner.image.settings`.
        imagenet: file of weights to start from.
        validate: annotations to measure on, as `annotations`.
        validate_images: folder of their pictures.
        weights: of the image-free refiner below.
        skeleton: of the annotations.
        resume: go on from the checkpoint.
        device: cpu or cuda.
        workers: threads that read pictures.
        progress: of `refine.cli._output.progress_option`.

    Returns:
        the summary.

    Raises:
        UsageError: annotations without pictures, or pictures twice.
        RefineError: no such preset, or what `refine.refiner.image.train.train_on_pictures` raises.
    """
    from refine.refiner.image.settings import read_preset

    settings = read_preset(preset, **options)
    sets = _sets(annotations, images, skeleton, "--images")
    held_sets = []
    if validate:
        held_sets = _sets(validate, validate_images or images, skeleton, "--validate-images")

    from refine.refiner.image.annotations import read_labelled
    from refine.refiner.image.backbones.imagenet import read_imagenet
    from refine.refiner.image.train import train_on_pictures
    from refine.refiner.pose.refiner import Refiner

    state = read_imagenet(imagenet) if imagenet else None
    refiner = Refiner.load(weights)
    labelled = read_labelled(sets, refiner.skeleton, settings.extra)
    held = read_labelled(held_sets, refiner.skeleton, settings.extra) if held_sets else None
    facts: dict[str, Any] = {
        "weights": str(output),
        "preset": preset,
        "persons": len(labelled.persons),
        "pictures": len(labelled.pictures),
    }
    if held:
        facts |= {"held_persons": len(held.persons), "held_pictures": len(held.pictures)}
    if is_first():
        say(f"{facts['persons']} persons on {facts['pictures']} pictures, preset {preset}")
        if held:
            say(f"held out: {len(held.persons)} persons on {len(held.pictures)} pictures")
        if state is None:
            say("without --imagenet the backbone starts from random weights")

    def figures(at: "PictureProgress") -> str:
        said = at.figures
        text = (
            f"epoch {at.epoch + 1}/{settings.epochs}  loss {said['total']:.4f}  "
            f"similarity {said['before']:.3f} -> {said['after']:.3f}"
        )
        if "held_total" in said:
            text += (
                f"  held out {said['held_total']:.4f}  "
                f"{said['held_before']:.3f} -> {said['held_after']:.3f}"
            )
        return text

    def start(report: Callable[["PictureProgress"], None]) -> None:
        train_on_pictures(
            labelled, refiner, output, settings, imagenet=state, held_out=held, resume=resume,
            device=device, workers=workers, report=report,
        )  # fmt: skip

    at: PictureProgress | None = follow(start, settings.epochs, figures, progress)
    if at is not None:
        facts |= {"epochs": at.epoch + 1, **at.figures}
    return facts | ({"curve": _draw_curve(output)} if is_first() else {})


def _sets(
    annotations: str, images: str | None, skeleton: str | None, option: str
) -> list[dict[str, Any]]:
    if Path(annotations).suffix == ".toml":
        from refine.refiner.image.annotations import read_sets

        if option == "--images" and images is not None:
            raise click.UsageError(f"{annotations} names its pictures: leave {option} out")
        return read_sets(Path(annotations))
    if images is None:
        raise click.UsageError(f"expected the pictures of {annotations}: {option} DIR")
    table = {"annotations": annotations, "images": images}
    return [table | ({"skeleton": skeleton} if skeleton else {})]


def _draw_curve(output: Path) -> str | None:
    """Draw the curve that stands beside the weights and return where; None without matplotlib."""
    table, picture = output.with_suffix(".csv"), output.with_suffix(".png")
    try:
        from refine.drawing.training import draw_curve

        png = draw_curve(table.read_text("utf-8"))
    except ImportError:
        say(f"the curve is in {table} only: to draw it, pip install 'refine-pose[draw]'")
        return None
    write_bytes(picture, png)
    return str(picture)
