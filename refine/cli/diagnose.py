"""`refine diagnose`: what is wrong with poses, joint by joint, and what each error costs."""

from typing import TYPE_CHECKING, Any

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
    from refine.evaluation.diagnosis import CURES, OF_JOINTS
    from refine.evaluation.taxonomy import ALL_KINDS

    head = (
        f"{name}: AP {d.ap.mean():.4f}\n{d.poses} poses, {d.persons} persons, {d.matched} matched, "
        f"{d.background} poses match nobody, {d.contested} persons have rivals, "
        f"{d.scoring_errors} of them with the wrong one on top"
    )

    def shares(counts: Any) -> list[str]:
        total = counts.sum()
        return [str(total), *(f"{c / total:.3f}" if total else "-" for c in counts)]

    def gains(values: Any) -> list[str]:
        return [f"{value:+.4f}" for value in values]

    kinds = ["joints", *ALL_KINDS]
    joints = [[j, *shares(c)] for j, c in zip(d.joints, d.counts, strict=True)]
    gained = [[j, *gains(g)] for j, g in zip(d.joints, d.gain, strict=True)]
    base = d.ap.mean()
    cures = [
        [
            cure,
            f"{d.alone[cure].mean() - base:+.4f}",
            f"{d.exact[cure].mean() - base:+.4f}" if cure in d.exact else "",
            f"{d.progressive[cure].mean():.4f}",
        ]
        for cure in CURES
    ]
    tables = [
        table(["share of joints", *kinds], [*joints, ["all", *shares(d.counts.sum(0))]]),
        table(["AP gained by curing", *OF_JOINTS], gained),
        table(["AP by cure", "alone", "if exact", "with those above"], cures),
    ]
    for title in ("area", "visible", "overlap"):
        rows = [[b.name, str(b.persons), f"{b.ap:.4f}", *shares(b.counts)] for b in d.bins[title]]
        tables.append(table([f"by {title}", "persons", "AP", *kinds], rows))
    return "\n\n".join([head, *tables])
