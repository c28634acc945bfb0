"""The command line: one file a verb, imported when the verb is called."""

import sys
from importlib import import_module

import click

from refine._version import __version__

# Kept here, not in the verbs, so that `refine --help` imports none of them.
VERBS = {
    "run": "Join, complete, correct, rescore and de-duplicate poses: the main job.",
    "decode": "Turn the raw outputs of a network into poses.",
    "nms": "Remove duplicate poses by OKS.",
    "track": "Number the persons of a video from frame to frame.",
    "smooth": "Fill gaps and remove flips, jumps and jitter of tracks.",
    "eval": "Score poses against ground truth (COCO AP and AR).",
    "check": "Look for what is wrong with a file of poses, and tell what mends it.",
    "diagnose": "Tell what is wrong with poses, joint by joint, and what it costs.",
    "draw": "Draw poses over their pictures: what changed most, what is worst.",
    "report": "Write one page with figures, charts and the cases to look at.",
    "convert": "Convert poses between file formats and skeletons.",
    "formats": "List the file formats and what each cannot hold, or show one.",
    "schema": "Print the JSON Schema of what a format writes.",
    "presets": "List the published systems that `decode` knows.",
    "skeletons": "List the skeletons, or print one.",
    "train": "Train a refiner from COCO keypoint annotations, with pictures or without.",
    "import-weights": "Turn MoveNet's published files into the weights that look at pictures.",
    "export": "Write a refiner or the heatmap decoder as an ONNX file.",
    "stats": "Measure the error statistics that training draws from.",
    "calibrate": "Learn from annotated images how far a source is to be trusted.",
    "profile": "Learn from pictures what the errors of a source are like, without ground truth.",
    "warmup": "Compile beforehand what the verbs compile when they are first used.",
    "demo": "Show the main job on a sample that the project makes itself.",
}


def module_of(verb: str) -> str:
    """Return the module of a verb."""
    return f"refine.cli.{verb.replace('-', '_')}"


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        from refine.cli._completion import add_completion
        from refine.cli._output import add_verbosity

        command: click.Command = import_module(module_of(name)).command
        return add_completion(add_verbosity(command), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from refine.cli._namesake import warn_of_namesake

        click.echo(f"refine, version {__version__}")
        warn_of_namesake()
        ctx.exit()


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Make other people's poses better.

    Exit codes: 0 ok, 1 failure, 2 usage, 3 bad input, 4 partial (all is written, but something
    that was named had to be left out), 130 interrupt, 143 terminated.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    from refine.cli._process import prepare, report_failure

    with prepare():
        try:
            code = cli.main(standalone_mode=False)
            if sys.stdout is not None:
                sys.stdout.flush()
        except Exception as error:
            code = report_failure(error)
    sys.exit(code)
