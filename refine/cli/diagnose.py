"""`refine diagnose`: what is wrong with poses, joint by joint, and what each error costs."""

from typing import TYPE_CHECKING

import click

from refine.cli._options import Input, input_options
from refine.cli._output import table
from refine.cli._truth import Truth, ground_truth_options

if TYPE_CHECKING:
    from refine.evaluation.diagnosis import Diagnosis


@click.command("diagnose")
@click.argument("predictions", nargs=-1, required=True, metavar="A [B]")
@ground_truth_options("keep_going", "max_dets")
@click.option(
    "--compat",
    is_flag=True,
    help="Do as the published code does: absent joints are misses at (0, 0), and corrected joints "
    "come nearer than they should.",
)
@click.option("--picture", metavar="OUT.png", help="Draw the shares of the errors by joint.")
@input_options
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    predictions: tuple[str, ...],
    compat: bool,
    picture: str | None,
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Tell good joints from jitter, inversion, swap, miss and absent ones, and what each costs.

    A and B are files of any format that `refine convert` reads, say before and after `refine run`.
    """
    if len(predictions) > 2:
        raise click.UsageError(f"expected one or two files of predictions, got {len(predictions)}")
    from refine.evaluation.diagnosis import diagnose
    from refine.files import dump_json, write_bytes

    persons = truth.read_with_sigmas(inputs)
    read = {name: truth.read_predictions(name, persons, inputs) for name in predictions}
    found = {
        name: diagnose(
            persons,
            poses,
            image_ids=truth.image_ids,
            max_dets=truth.max_dets,
            compat=compat,
            strict=truth.strict,
        )
        for name, (poses, _) in read.items()
    }
    if picture:
        from refine.drawing.errors import draw_errors

        write_bytes(picture, draw_errors(found))
    if as_json:
        click.echo(
            dump_json(
                {n: d.to_dict() | {"warnings": read[n][1]} for n, d in found.items()}
            ).decode()
        )
    else:
        click.echo("\n\n".join(_report(name, d) for name, d in found.items()))


def _report(name: str, d: "Diagnosis") -> str:
    from refine.report.tables import cures_table, gains_table, shares_table, strata_table

    head = (
        f"{name}: AP {d.ap.mean():.4f}\n{d.poses} poses, {d.persons} persons, {d.matched} matched, "
        f"{d.background} poses match nobody, {d.contested} persons have rivals, "
        f"{d.scoring_errors} of them with the wrong one on top"
    )
    tables = [shares_table(d), gains_table(d), cures_table(d)]
    tables += [strata_table(d, title) for title in ("area", "visible", "overlap")]
    return "\n\n".join([head, *(table(*each) for each in tables)])
