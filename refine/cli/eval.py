"""`refine eval`: one table for any number of prediction files."""

from typing import Any

import click

from refine.cli._options import Input, input_options, read_image_ids, read_poses
from refine.cli._output import say, table

_COLUMNS = ("AP", "AP50", "AP75", "APM", "APL", "AR")


@click.command("eval")
@click.argument("predictions", nargs=-1, required=True, metavar="PRED...")
@click.option("--gt", required=True, metavar="GT.json", help="COCO keypoint annotations.")
@click.option("--metric", type=click.Choice(["oks", "pckh"]), default="oks", show_default=True)
@click.option("--sigmas", metavar="NAME|FILE", help="Skeleton with other sigmas, by joint name.")
@click.option(
    "--image-ids",
    metavar="FILE[:KEY]",
    help="Score these images only: a JSON list, the list under KEY, or one id a line.",
)
@click.option(
    "--area",
    type=click.Choice(["auto", "keypoints", "box", "given"]),
    default="auto",
    show_default=True,
    help="Area of predictions; it moves APM and APL. auto: box if the first pose has one.",
)
@click.option("--max-dets", type=int, default=20, show_default=True, help="Poses an image.")
@click.option("--keep-going", is_flag=True, help="Leave out poses on unknown images.")
@input_options
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    predictions: tuple[str, ...],
    gt: str,
    metric: str,
    sigmas: str | None,
    image_ids: str | None,
    area: Any,
    max_dets: int,
    keep_going: bool,
    as_json: bool,
    inputs: Input,
) -> None:
    """Score poses against ground truth: COCO AP and AR as pycocotools gives them, or PCKh.

    PRED are files of any format that `refine convert` reads. Images without predictions count.
    """
    from refine.evaluation.coco import evaluate
    from refine.evaluation.ground_truth import read_ground_truth
    from refine.evaluation.pck import evaluate_pckh
    from refine.files import dump_json
    from refine.skeletons import skeleton

    sigma_source = skeleton(sigmas) if sigmas else None
    truth = read_ground_truth(gt, sigma_source)
    ids = read_image_ids(image_ids) if image_ids else None
    reports: dict[str, Any] = {}
    for name in predictions:
        poses = read_poses(name, inputs)
        if metric == "pckh":
            reports[name] = evaluate_pckh(truth, poses, image_ids=ids, strict=not keep_going)
        else:
            reports[name] = evaluate(
                truth,
                poses,
                sigmas=sigma_source,
                image_ids=ids,
                max_dets=max_dets,
                area=area,
                strict=not keep_going,
            )
            for text in reports[name].warnings:
                say(f"{name}: {text}")
    if as_json:
        click.echo(dump_json({name: r.to_dict() for name, r in reports.items()}).decode())
    elif metric == "pckh":
        rows = [[n, f"{r.mean:.4f}", r.poses, r.persons] for n, r in reports.items()]
        click.echo(table(["predictions", "PCKh@0.5", "poses", "persons"], rows))
    else:
        rows = [
            [
                name,
                *(f"{report[m]:.4f}" for m in _COLUMNS),
                report.poses,
                report.images,
                report.images_without_predictions,
            ]
            for name, report in reports.items()
        ]
        click.echo(table(["predictions", *_COLUMNS, "poses", "images", "without"], rows))
        told = next(iter(reports.values()))
        say(
            f"sigmas of {told.sigmas}"
            + ("" if told.official_sigmas else ", not those published: compares with nothing")
        )
