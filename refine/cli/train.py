"""``refine train``: from annotations to weights in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import json_option, progress_option, say, summary
from refine.cli._progress import follow, is_first

if TYPE_CHECKING:
    from refine.refiner.training import Progress, Run

IMAGES_ONLY = ("exif", "preset", "imagenet", "validate", "validate_images", "weights", "workers")
EYES_ONLY = ("eyes", "eyes_preset")
"""Options that say nothing where no pictures are looked at."""
HOW = ("resume", "device", "workers")
"""Options that change nothing of what is learned: `refine.refiner.training.Run`."""


@click.command("train")
@click.argument("annotations", required=False)
@click.option("--annotations", "given", metavar="GT.json", help="The same as ANNOTATIONS.")
@click.option("-o", "--output", required=True, metavar="FILE.safetensors")
@click.option("--skeleton", metavar="NAME|FILE", help="Skeleton, where the file does not name it.")
@click.option("--category", metavar="NAME|ID", help="Only the persons of this category.")
@click.option("--stats", "statistics", metavar="NAME|FILE", help="Error statistics.  [posefix]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the persons.  [100]")
@click.option("--batch", type=click.IntRange(1), help="Rows per step, over all processes.  [768]")
@click.option("--width", type=click.IntRange(8), help="Width of the network.  [512]")
@click.option("--blocks", type=click.IntRange(1), help="Residual blocks.  [4]")
@click.option("--rate", type=float, help="Peak learning rate.  [0.001]")
@click.option("--seed", type=int, help="Of everything that is drawn.  [0]")
@click.option("--mixed/--no-mixed", default=None, help="bfloat16 matrix products.  [mixed]")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside OUT.")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [the GPU if there is one]")
@click.option(
    "--images",
    metavar="DIR",
    help="Train an image refiner, on the pictures in DIR, or in tar files: shard-{000..009}.tar.",
)
@click.option(
    "--exif/--no-exif",
    default=None,
    help="Turn pictures as their EXIF says.  [no-exif: COCO annotates them as they are stored]",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="As in the paper: posefix-r50-256, posefix-r101-256, posefix-r152-256, posefix-r152-384. "
    "Its defaults replace those above.  [posefix-r50-256]",
)
@click.option(
    "--imagenet",
    metavar="FILE",
    help="ImageNet weights of the ResNet to start from, named as torchvision names them: .pth or "
    ".safetensors.  [random weights]",
)
@click.option(
    "--eyes",
    metavar="NAME|FILE",
    help="Train the fusion of eyes: image, image-small, or an .onnx file with --eyes-preset.",
)
@click.option("--eyes-preset", metavar="NAME", help="How to read an .onnx file, e.g. vitpose.")
@click.option("--video", is_flag=True, help="Train a temporal refiner, on tracks of poses.")
@click.option("--fps", type=float, help="Frames per second of --video, if the file does not tell.")
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
    images: str | None,
    skeleton: str | None,
    category: str | None,
    progress: bool | None,
    as_json: bool,
    video: bool,
    **options: Any,
) -> None:
    """Train a refiner from COCO keypoint ANNOTATIONS: .json, .json.gz, or .parquet of these.

    Every person is shown with synthetic jitter, inversion, swap, miss and missing joints, and the
    network learns to put them right. A checkpoint is written after every epoch. On several GPUs:
    torchrun --nproc-per-node N -m refine train ...

    What `refine convert GT.json -o GT.parquet` writes may come in many files: a folder of them,
    'gt-*.parquet', 'gt-{000..099}.parquet'. So may pictures in tar files, as WebDataset packs them;
    they are read where they lie.

    With --images the refiner looks at the pictures, too, and is PoseFix as published; the curve of
    its losses is drawn beside OUT. ANNOTATIONS may then be a .toml file of [[set]] tables, each
    with annotations and images, perhaps skeleton, category, exif, repeat, boxes.

    With --eyes the eyes stay as they are; learned is how far they and poses are to be trusted, from
    a .toml file whose sets name predictions, too: files of what networks said of the pictures.

    With --video the errors last for some frames, as those of networks do; learned is which joints
    of a track are wrong, for `--smoothing learned`. ANNOTATIONS are then tracks, of any format.
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
    looks = images is not None or Path(source).suffix == ".toml"
    if video and looks:
        raise click.UsageError("--video looks at no pictures")
    if not video and "fps" in chosen:
        raise click.UsageError("--fps is for --video")
    if not (looks or video) and (odd := [k for k in (*IMAGES_ONLY, *EYES_ONLY) if k in chosen]):
        raise click.UsageError(f"--{odd[0].replace('_', '-')} needs the pictures: --images DIR")
    from refine.refiner.training import Run

    run = Run(**{key: chosen.pop(key) for key in HOW if key in chosen})
    if looks:
        from refine.cli._train_images import ImageOptions, train_images

        eyes = chosen.pop("eyes", None)
        if eyes:
            from refine.cli._train_fusion import train_fusion_of

            sets = ImageOptions(source, images, skeleton, category).sets()
            facts = train_fusion_of(eyes, sets, Path(output), chosen, run, progress)
        else:
            given_looks = {key: chosen.pop(key) for key in IMAGES_ONLY if key in chosen}
            on = ImageOptions(source, images, skeleton, category, **given_looks)
            facts = train_images(on, Path(output), chosen, run, progress)
    elif video:
        from refine.cli._train_video import train_video

        facts = train_video((source, skeleton, category), Path(output), chosen, run, progress)
    else:
        facts = _train_on_poses((source, skeleton, category), Path(output), chosen, run, progress)
    if as_json and facts and is_first():
        summary(facts, data_on_stdout=False)


def _train_on_poses(
    source: tuple[str, str | None, str | None],
    output: Path,
    changes: dict[str, Any],
    run: "Run",
    progress: bool | None,
) -> dict[str, Any]:
    """Train on annotations, their skeleton and category, with changes; return a summary."""
    from refine.evaluation.ground_truth import read_ground_truth
    from refine.refiner.pose.train import PoseSettings, train
    from refine.skeletons import skeleton as find_skeleton

    settings = PoseSettings(**changes)
    annotations, skeleton, category = source
    say(f"reading {annotations}")
    body = find_skeleton(skeleton) if skeleton else None
    truth = read_ground_truth(annotations, body, category=category)
    say(f"{len(truth.persons)} persons, {len(truth.images)} images, skeleton {truth.skeleton.name}")

    def words(at: "Progress") -> str:
        return (
            "loss {loss:.4f}  similarity: filled {filled:.3f}, present {kept:.3f} -> {moved:.3f}"
        ).format(**at.figures)

    last = follow(
        lambda run: train(truth, output, settings, run), run, settings.epochs, words, progress
    )
    if last is None:
        return {}
    return {
        "weights": str(output),
        "epochs": last.epoch + 1,
        "loss": last.figures["loss"],
        "filled": last.figures["filled"],
        "present_before": last.figures["kept"],
        "present_after": last.figures["moved"],
    }
