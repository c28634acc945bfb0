"""``refine train``: from annotations to weights in one command."""

from pathlib import Path
from typing import Any

import click

from refine.cli.common import json_option, progress_option, say, summary, wants_progress


@click.command("train")
@click.argument("annotations")
@click.option("-o", "--output", required=True, metavar="FILE.safetensors")
@click.option("--skeleton", metavar="NAME|FILE", help="Skeleton, where the file does not name it.")
@click.option("--stats", "statistics", metavar="NAME|FILE", help="Error statistics.  [posefix]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the persons.  [100]")
@click.option("--batch", type=click.IntRange(1), help="Rows a step.  [768]")
@click.option("--width", type=click.IntRange(8), help="Width of the network.  [512]")
@click.option("--blocks", type=click.IntRange(1), help="Residual blocks.  [4]")
@click.option("--rate", type=float, help="Peak learning rate.  [0.001]")
@click.option("--seed", type=int, help="Of everything that is drawn.  [0]")
@click.option("--mixed/--no-mixed", default=None, help="bfloat16 matrix products.  [mixed]")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside OUT.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [the GPU if there is one]")
@progress_option
@json_option
def command(
    annotations: str,
    output: str,
    skeleton: str | None,
    resume: bool,
    device: str | None,
    progress: bool | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a refiner from COCO keypoint ANNOTATIONS (.json or .json.gz).

    Every person is shown with synthetic jitter, inversion, swap, miss and missing joints, and the
    network learns to put them right. A checkpoint is written after every epoch. On several GPUs:
    torchrun --nproc-per-node N -m refine train ...
    """
    if Path(output).suffix != ".safetensors":
        raise click.UsageError(f"expected -o to name a .safetensors file, got {output}")
    from refine.formats import read
    from refine.refiner.train import Progress, Settings, train

    settings = Settings(**{key: value for key, value in options.items() if value is not None})
    say(f"reading {annotations}")
    truth = read(annotations, "coco-gt", skeleton=skeleton)
    say(f"{len(truth)} annotations, {len(truth.images)} images, skeleton {truth.skeleton.name}")

    def figures(at: Progress) -> str:
        return (
            f"epoch {at.epoch + 1}/{settings.epochs}  loss {at.loss:.4f}  similarity: "
            f"filled {at.filled:.3f}, present {at.kept:.3f} -> {at.moved:.3f}"
        )

    last: list[Progress] = []
    if wants_progress(progress):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        with Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar:
            task = bar.add_task("drawing errors", total=settings.epochs)

            def show(at: Progress) -> None:
                bar.update(task, completed=at.epoch + at.step / at.steps, description=figures(at))
                last[:] = [at]

            train(truth, Path(output), settings, resume=resume, device=device, report=show)
    else:

        def note(at: Progress) -> None:
            if at.step == at.steps:
                say(figures(at))
            last[:] = [at]

        train(truth, Path(output), settings, resume=resume, device=device, report=note)
    if as_json and last:
        at = last[-1]
        summary(
            {
                "weights": output,
                "epochs": at.epoch + 1,
                "loss": at.loss,
                "filled": at.filled,
                "present_before": at.kept,
                "present_after": at.moved,
            },
            data_on_stdout=False,
        )
