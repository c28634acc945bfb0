"""`refine train --images`: from annotated pictures to the weights of PoseFix."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import say
from refine.cli._progress import follow, is_first
from refine.files import write_bytes

if TYPE_CHECKING:
    from refine.refiner.image.train import ImageData
    from refine.refiner.pose.refiner import Refiner
    from refine.refiner.training import Progress, Run


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What `refine train --images` learns from.

    Attributes:
        annotations: COCO annotations, or a .toml file of sets.
        images: folder of their pictures; None with a .toml file.
        skeleton: of the annotations.
        category: id or name of the only one whose persons count.
        exif: whether EXIF orientation is applied; None is the set's own choice.
        preset: see `refine.refiner.image.settings`.
        imagenet: file of weights to start from.
        validate: annotations to measure on, as `annotations`.
        validate_images: folder of their pictures.
        weights: of the image-free refiner below.
    """

    annotations: str
    images: str | None
    skeleton: str | None = None
    category: str | None = None
    exif: bool | None = None
    preset: str = "posefix-r50-256"
    imagenet: str | None = None
    validate: str | None = None
    validate_images: str | None = None
    weights: str = "coco17"

    def sets(self) -> list[dict[str, Any]]:
        """Return what to learn from, see `refine.refiner.image.annotations.read_sets`."""
        if Path(self.annotations).suffix == ".toml" and self.images is not None:
            raise click.UsageError(f"{self.annotations} names its pictures: leave --images out")
        return self._sets(self.annotations, self.images, "--images")

    def held_sets(self) -> list[dict[str, Any]]:
        """Return what to measure on."""
        images = self.validate_images or self.images
        return self._sets(self.validate, images, "--validate-images")

    def _sets(
        self, annotations: str | None, images: str | None, option: str
    ) -> list[dict[str, Any]]:
        if annotations is None:
            return []
        own = {"skeleton": self.skeleton, "category": self.category, "exif": self.exif}
        if Path(annotations).suffix == ".toml":
            from refine.refiner.image.annotations import read_sets

            return read_sets(Path(annotations))
        if images is None:
            raise click.UsageError(f"expected the pictures of {annotations}: {option} DIR")
        own = {key: value for key, value in own.items() if value is not None}
        return [{"annotations": annotations, "images": images, **own}]


def train_images(
    options: ImageOptions,
    output: Path,
    changes: dict[str, Any],
    run: "Run",
    progress: bool | None,
) -> dict[str, Any]:
    """Train PoseFix as the options of `refine train` say.

    Args:
        options: what from.
        output: a .safetensors path.
        changes: to the preset's settings.
        run: how.
        progress: of `refine.cli._output.progress_option`.

    Returns:
        the summary.

    Raises:
        UsageError: annotations without pictures, or pictures twice.
        RefineError: no such preset, or what `refine.refiner.image.train.train_on_images` raises.
    """
    from refine.refiner.image.settings import read_preset

    settings = read_preset(options.preset, **changes)
    sets, held_sets = options.sets(), options.held_sets()

    from refine.refiner.image.train import train_on_images
    from refine.refiner.pose.refiner import Refiner

    refiner = Refiner.load(options.weights)
    data = _read(options.imagenet, sets, held_sets, refiner)
    labelled, held = data.labelled, data.held_out
    facts: dict[str, Any] = {
        "weights": str(output),
        "preset": options.preset,
        "persons": len(labelled.persons),
        "pictures": len(labelled.pictures),
    }
    if held:
        facts |= {"held_persons": len(held.persons), "held_pictures": len(held.pictures)}
    if is_first():
        say(f"{facts['persons']} persons on {facts['pictures']} pictures, preset {options.preset}")
        if held:
            say(f"held out: {len(held.persons)} persons on {len(held.pictures)} pictures")
        if data.imagenet is None:
            say("without --imagenet the backbone starts from random weights")
    last = follow(
        lambda run: train_on_images(data, refiner, output, settings, run),
        run,
        settings.epochs,
        _words,
        progress,
    )
    if last is not None:
        facts |= {"epochs": last.epoch + 1, **last.figures}
    return facts | ({"curve": _draw_curve(output)} if is_first() else {})


def _read(
    imagenet: str | None,
    sets: list[dict[str, Any]],
    held_sets: list[dict[str, Any]],
    refiner: "Refiner",
) -> "ImageData":
    from refine.refiner.image.annotations import read_labelled
    from refine.refiner.image.backbones.imagenet import read_imagenet
    from refine.refiner.image.train import ImageData

    state = read_imagenet(imagenet) if imagenet else None
    labelled = read_labelled(sets, refiner.skeleton)
    held = read_labelled(held_sets, refiner.skeleton) if held_sets else None
    return ImageData(labelled, held, state)


def _words(at: "Progress") -> str:
    text = "loss {total:.4f}  similarity {before:.3f} -> {after:.3f}"
    if "held_total" in at.figures:
        text += "  held out {held_total:.4f}  {held_before:.3f} -> {held_after:.3f}"
    return text.format(**at.figures)


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
