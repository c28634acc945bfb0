"""``refine train``: from annotations to weights in one command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from refine.cli._output import json_option, progress_option, say, summary
from refine.cli._progress import follow, is_first

PICTURES_ONLY = ("preset", "imagenet", "validate", "validate_images", "weights", "workers")
"""Options that say nothing where no pictures are looked at."""


@click.command("train")
@click.argument("annotations", required=False)
@click.option("--annotations", "given", metavar="GT.json", help="The same as ANNOTATIONS.")
@click.option("-o", "--output", required=True, metavar="FILE.safetensors")
@click.option("--skeleton", metavar="NAME|FILE", help="Skeleton, where the file does not name it.")
@click.option("--stats", "statistics", metavar="NAME|FILE", help="Error statistics.  [posefix]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the persons.  [100]")
@click.option("--batch", type=click.IntRange(1), help="Rows a step, over all processes.  [768]")
@click.option("--width", type=click.IntRange(8), help="Width of the network.  [512]")
@click.option("--blocks", type=click.IntRange(1), help="Residual blocks.  [4]")
@click.option("--rate", type=float, help="Peak learning rate.  [0.001]")
@click.option("--seed", type=int, help="Of everything that is drawn.  [0]")
@click.option("--mixed/--no-mixed", default=None, help="bfloat16 matrix products.  [mixed]")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside OUT.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [the GPU if there is one]")
@click.option("--images", metavar="DIR", help="Train an image refiner, on the pictures in DIR.")
@click.option(
    "--preset",
    metavar="NAME",
    help="What of: light, or as in the paper posefix-r50-256, posefix-r101-256, posefix-r152-256, "
    "posefix-r152-384. Its defaults replace those above.  [light]",
)
@click.option(
    "--imagenet",
    metavar="FILE",
    help="ImageNet weights to start from: .pth or .safetensors, of efficientnet-lite0 for light, "
    "else of a ResNet as torchvision names it.  [random weights]",
)
@click.option("--validate", metavar="GT.json", help="Measure on these after every epoch.")
@click.option("--validate-images", metavar="DIR", help="Their pictures.  [those of --images]")
@click.option("--weights", metavar="NAME|FILE", help="Image-free refiner below.  [coco17]")
@click.option("--workers", type=click.IntRange(1), help="Threads that read pictures.  [2]")
@progress_option
@json_option
def command(
    annotations: str | None,
    given: str | None,
    output: str,
    skeleton: str | None,
    resume: bool,
    device: str | None,
    images: str | None,
    progress: bool | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a refiner from COCO keypoint ANNOTATIONS (.json or .json.gz).

    Every person is shown with synthetic jitter, inversion, swap, miss and missing joints, and the
    network learns to put them right. A checkpoint is written after every epoch. On several GPUs:
    torchrun --nproc-per-node N -m refine train ...

    With --images the refiner looks at the pictures, too, and the curve of its losses is drawn
    beside OUT. ANNOTATIONS may then be a .toml file of [[set]] tables, each with annotations and
    images, perhaps skeleton, repeat, boxes, teacher.
    """
    if (annotations is None) == (given is None):
        raise click.UsageError("expected the annotations once, as ANNOTATIONS or --annotations")
    source = annotations or given or ""
    if Path(output).suffix != ".safetensors":
        raise click.UsageError(f"expected -o to name a .safetensors file, got {output}")
    if not Path(output).resolve().parent.is_dir():
        from refine.exceptions import FormatError

        raise FormatError("expected a folder to write in, got none", where=output)
    chosen = {key: value for key, value in options.items() if value is not None}
    looks = {key: chosen.pop(key) for key in PICTURES_ONLY if key in chosen}
    if images is not None or Path(source).suffix == ".toml":
        from refine.cli._train_images import train_pictures

        facts = train_pictures(
            source, images, Path(output), chosen, skeleton=skeleton, resume=resume, device=device,
            progress=progress, **looks,
        )  # fmt: skip
    elif looks:
        name = next(iter(looks)).replace("_", "-")
        raise click.UsageError(f"--{name} needs the pictures: --images DIR")
    else:
        facts = _train_on_poses(source, Path(output), chosen, skeleton, resume, device, progress)
    if as_json and facts and is_first():
        summary(facts, data_on_stdout=False)


def _train_on_poses(
    annotations: str,
    output: Path,
    options: dict[str, Any],
    skeleton: str | None,
    resume: bool,
    device: str | None,
    progress: bool | None,
) -> dict[str, Any]:
    from refine.evaluation.ground_truth import read_ground_truth
    from refine.refiner.pose.train import Progress, Settings, train
    from refine.skeletons import skeleton as find_skeleton

    settings = Settings(**options)
    say(f"reading {annotations}")
    truth = read_ground_truth(annotations, find_skeleton(skeleton) if skeleton else None)
    say(f"{len(truth.persons)} persons, {len(truth.images)} images, skeleton {truth.skeleton.name}")

    def figures(at: Progress) -> str:
        return (
            f"epoch {at.epoch + 1}/{settings.epochs}  loss {at.loss:.4f}  similarity: "
            f"filled {at.filled:.3f}, present {at.kept:.3f} -> {at.moved:.3f}"
        )

    def start(report: Callable[[Progress], None]) -> None:
        train(truth, output, settings, resume=resume, device=device, report=report)

    at: Progress | None = follow(start, settings.epochs, figures, progress)
    if at is None:
        return {}
    return {
        "weights": str(output),
        "epochs": at.epoch + 1,
        "loss": at.loss,
        "filled": at.filled,
        "present_before": at.kept,
        "present_after": at.moved,
    }
