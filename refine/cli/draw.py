"""`refine draw`: poses over their pictures, one by one or side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._batch import PARTIAL
from refine.cli._moving import Moving, draw_trajectories, draw_video, moving_options
from refine.cli._options import Input, input_options, read_poses
from refine.cli._output import json_option, output_option, progress_option, say, summary
from refine.cli._progress import count_poses
from refine.cli._truth import Truth, ground_truth_options
from refine.exceptions import FormatError
from refine.files import STDIO

if TYPE_CHECKING:
    from refine.drawing.cases import Case
    from refine.drawing.stages import Stages
    from refine.evaluation.ground_truth import GroundTruth
    from refine.poses import ImageRef, Poses

TOP = 12
"""Rows of a sheet, unless --top says otherwise."""
MOVING = {".gif", ".mp4", ".mov", ".avi", ".mkv", ".webm"}
"""Endings of files that move,"""
OTHERS = {".webp", ".bmp", ".tif", ".tiff", ".pdf", ".json", ".html", *MOVING}
"""and all of files that no folder is called by and that are not drawn."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn, as the options tell."""

    sort: str | None
    top: int | None
    persons: bool
    crop: bool | None
    size: int | None
    encoding: str | None
    exif: bool
    progress: bool | None


@click.command("draw")
@click.argument("predictions", nargs=-1, required=True, metavar="PRED...")
@output_option(
    "A file ending in .png, .jpg or .svg: a contact sheet. Else a folder: a file per image.",
    required=False,
)
@ground_truth_options("keep_going", required=False)
@input_options(pictures="Folder of pictures; images without one are drawn on plain paper.")
@click.option(
    "--sort",
    type=click.Choice(["file", "change", "gain", "loss", "worst"]),
    help="Which come first: as in the file, most changed, most OKS gained or lost, lowest OKS.  "
    "[change between two files, else worst with --gt, else file]",
)
@click.option(
    "--top", type=click.IntRange(1), metavar="N", help=f"Draw the first N only.  [sheet: {TOP}]"
)
@click.option("--persons", is_flag=True, help="One crop per person, not one picture per image.")
@click.option(
    "--crop/--whole",
    default=None,
    help="What is around the poses, or whole pictures.  [sheet: crop, folder: whole]",
)
@click.option(
    "--size",
    type=click.IntRange(16, 8000),
    metavar="PX",
    help="Longer side of a cell or a file.  [sheet: 420, folder: the picture's own]",
)
@click.option(
    "--encoding",
    type=click.Choice(["jpg", "png", "svg"]),
    help="Of the files in a folder, and of -o -.  [jpg]",
)
@click.option("--score-threshold", type=float, help="Leave out poses with a lower score.")
@click.option(
    "--exif/--no-exif",
    default=True,
    help="Turn pictures as their EXIF says, as cv2 did for who predicted with it.  [exif]",
)
@moving_options
@progress_option
@json_option
def command(
    predictions: tuple[str, ...],
    output: str | None,
    score_threshold: float | None,
    as_json: bool,
    inputs: Input,
    truth: Truth,
    moving: Moving,
    **options: Any,
) -> None:
    """Draw the poses of PRED over their pictures, before and after if there are several PRED.

    The first PRED is what the others are compared with: joints that it lacks are hollow, those
    that moved get an arrow. With --gt the ground truth has a column of its own on a sheet and is
    drawn in green in a folder. PRED are files of any format that `refine convert` reads. A video's
    poses become one with --video, and joints over time with --trajectories.
    """
    wanted = Wanted(**options)
    if len([*moving.targets, *filter(None, [output])]) != 1:
        raise click.UsageError(
            "expected what to write, once: -o OUT, --video OUT.mp4 or --trajectories OUT.svg"
        )
    sheet = output is not None and _is_sheet(output)
    persons = truth.read_with_sigmas(inputs) if truth.path else None
    paths = predictions if moving.before is None else (moving.before, *predictions)
    files = {
        name: _above(_read(path, persons, inputs, truth), score_threshold)
        for name, path in _named(paths).items()
    }
    if output is None:
        facts = _draw_moving(files, persons, inputs, wanted, truth, moving)
    else:
        facts = _draw_cases(files, persons, inputs, wanted, truth, output, sheet)
    if as_json:
        summary(facts, data_on_stdout=output == STDIO)
    if facts["pictures_unread"] or facts["pictures_unfit"]:
        raise click.exceptions.Exit(PARTIAL)


def _draw_moving(
    files: "dict[str, Poses]",
    persons: "GroundTruth | None",
    inputs: Input,
    wanted: Wanted,
    truth: Truth,
    moving: Moving,
) -> dict[str, Any]:
    """Write a video of the poses or joints over time, and return the facts of the summary."""
    from refine.drawing.stages import (
        TRUTH_NAME,
        annotated_on,
        line_up,
        on_images,
        on_same_images,
    )  # fmt: skip

    for name in ("sort", "top", "persons", "crop", "encoding"):
        if getattr(wanted, name):
            raise click.UsageError(f"--{name} is for pictures, -o OUT")
    panels = dict(zip(files, on_same_images(files, persons), strict=True))
    images = next(iter(panels.values())).images
    if persons is not None and moving.video is not None:
        panels[TRUTH_NAME] = annotated_on(persons, images)
    if truth.image_ids is not None:
        chosen = sorted(_counted(images, persons, truth.image_ids))
        panels = {name: on_images(poses, chosen) for name, poses in panels.items()}
    if moving.trajectories is not None:
        return draw_trajectories(line_up(panels), moving)
    return draw_video(
        panels,
        moving,
        inputs.pictures,
        exif=wanted.exif,
        size_px=wanted.size,
        progress=wanted.progress,
    )


def _draw_cases(
    files: "dict[str, Poses]",
    persons: "GroundTruth | None",
    inputs: Input,
    wanted: Wanted,
    truth: Truth,
    output: str,
    sheet: bool,
) -> dict[str, Any]:
    """Draw images or persons as a sheet or into a folder, and return the facts of the summary."""
    from refine.drawing.cases import find_cases, sort_cases
    from refine.drawing.stages import line_up

    if persons is not None and truth.image_ids is not None:
        files = _with_annotated(files, persons, truth.image_ids)
    stages = line_up(files, persons)
    counted = _counted(stages.images, persons, truth.image_ids)
    cases = [c for c in find_cases(stages, persons=wanted.persons) if c.image in counted]
    order: Any = wanted.sort or ("change" if len(files) > 1 else "worst" if persons else "file")
    top = wanted.top or (TOP if sheet else len(cases))
    shown = sort_cases(cases, order)[:top]
    if not shown:
        raise FormatError("expected some poses to draw, got none", where=", ".join(files))
    facts = _draw(stages, shown, inputs, wanted, output, sheet)
    what = "persons" if wanted.persons else "images"
    rest = f" of {len(cases)}" if len(shown) < len(cases) else ""
    say(f"{len(shown)}{rest} {what} drawn to {output}" + (f", by {order}" if rest else ""))
    facts = {"drawn": len(shown), "of": len(cases), "order": order, **facts}
    return {**facts, "cases": [_facts(stages, case) for case in shown]}


def _is_sheet(output: str) -> bool:
    """Whether OUT is a file, by its ending.

    Raises:
        FormatError: the ending of a file that is not drawn, or a file where a folder should be.
    """
    from refine.drawing.files import ENDINGS

    path = Path(output)
    suffix = path.suffix.lower()
    if output == STDIO or (suffix in ENDINGS and not path.is_dir()):
        return True
    if (suffix in OTHERS and not path.is_dir()) or path.is_file():
        raise FormatError(
            f"expected a folder, or a file that ends in {', '.join(ENDINGS)}",
            where=output,
            hint="--video OUT.mp4" if suffix in MOVING else "another -o",
        )
    return False


def _make_folder(output: str) -> None:
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(
            f"expected a folder to write to, got: {error.strerror}",
            where=output,
            hint="another -o",
        ) from None


def _named(paths: tuple[str, ...]) -> dict[str, str]:
    """Name files as a sheet does: what tells them apart, and which is before and after."""
    names = [Path(path).name for path in paths]
    if len(set(names)) < len(names):
        names = list(paths)
    if len(paths) == 2:
        names = [f"before: {names[0]}", f"after: {names[1]}"]
    named = dict(zip(names, paths, strict=True))
    if len(named) < len(paths):
        raise click.UsageError("expected files of predictions, each once")
    return named


def _read(path: str, persons: "GroundTruth | None", inputs: Input, truth: Truth) -> "Poses":
    if persons is None:
        return read_poses(path, inputs)
    return truth.read_predictions(path, persons, inputs)[0]


def _above(poses: "Poses", threshold: float | None) -> "Poses":
    """Return the poses whose score is at least a threshold."""
    return poses if threshold is None else poses[~(poses.instance_score < threshold)]


def _with_annotated(
    files: "dict[str, Poses]", persons: "GroundTruth", ids: "list[int | str]"
) -> "dict[str, Poses]":
    """Add the images of some ids on which nobody was found to those of the first file."""
    there = {row for poses in files.values() for row in persons.find(poses.images)[0].values()}
    more = [persons.images[row] for row in persons.rows_of(ids) if row not in there]
    name, first = next(iter(files.items()))
    return {**files, name: first.replace(images=(*first.images, *more))}


def _counted(
    images: "Sequence[ImageRef]", persons: "GroundTruth | None", ids: "list[int | str] | None"
) -> set[int]:
    """Return which images count: those of some ids, and with annotations only these have.

    Raises:
        FormatError: an id of no image.
    """
    from refine.images import find_images
    from refine.poses import ImageRef

    if persons is not None:
        rows = set(persons.rows_of(ids))
        return {i for i, row in persons.find(images)[0].items() if row in rows}
    if ids is None:
        return set(range(len(images)))
    names, known = [r.file_name for r in images], [r.id for r in images]
    found = find_images([ImageRef(i) for i in ids], names, known, where="--image-ids")
    unknown = [repr(name) for name, row in zip(ids, found, strict=True) if row is None]
    if unknown or not ids:
        raise FormatError(
            f"expected ids of images that have poses, got {', '.join(unknown[:5]) or 'none'}",
            where="--image-ids",
        )
    return {row for row in found if row is not None}


def _draw(
    stages: "Stages",
    shown: "list[Case]",
    inputs: Input,
    wanted: Wanted,
    output: str,
    sheet: bool,
) -> dict[str, Any]:
    """Draw cases, write them, and return the facts of the summary."""
    from refine.drawing.cells import Look
    from refine.drawing.files import (
        ENDINGS,
        Pictures,
        contact_sheet,
        encode,
        find_drawn,
        write_each,
    )  # fmt: skip
    from refine.files import write_bytes
    from refine.refiner.image.pictures import tell

    pictures = Pictures([None] * len(stages.images))
    if inputs.pictures:
        pictures = find_drawn(stages, shown, inputs.pictures, exif=wanted.exif)
    usual = Look() if sheet else Look(None, crop=False)
    crop = usual.crop if wanted.crop is None else wanted.crop
    look = Look(wanted.size or usual.size_px, wanted.persons or crop)
    encoding: Any = wanted.encoding or "jpg"
    facts: dict[str, Any] = {"output": output}

    def show(bar: Callable[[int], None] | None) -> None:
        if sheet:
            canvas = contact_sheet(stages, shown, pictures, look, bar)
            ending = ENDINGS.get(Path(output).suffix.lower(), encoding)
            write_bytes(output, encode(canvas, ending, Path(output).name))
        else:
            _make_folder(output)
            facts["files"] = write_each(stages, shown, pictures, look, output, encoding, bar)

    count_poses(len(shown), show, wanted.progress, "pictures")
    unread, unfit = 0, 0
    if pictures.sight:
        tell(pictures.sight, exif=wanted.exif, done="drawn")
        unread, unfit = len(pictures.sight.unread), len(pictures.sight.unfit)
    facts |= {"pictures_unread": unread, "pictures_unfit": unfit}
    return facts


def _facts(stages: "Stages", case: "Case") -> dict[str, Any]:
    ref: ImageRef = stages.images[case.image]
    return {"image": ref.id, "change": case.change, "oks": list(case.oks)}
