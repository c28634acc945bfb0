"""How the verbs read and write poses: shared options, and the verdict on standard error."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from refine.cli._output import say

if TYPE_CHECKING:
    from refine.poses import Poses
    from refine.skeletons import Skeleton

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Input:
    """How to read poses, as `input_options` tell.

    Attributes:
        format: of the file; None sniffs.
        skeleton: name or file, where the file does not tell.
        images: COCO file that tells of the images: ``--sizes``.
        pictures: folder of their pictures: ``--images``.
        keep_zeros: whether (0, 0) is a place.
        normalised: whether coordinates are shares of the images; None looks at them.
        category: id or name of the only one to read, of annotations where there are some.
    """

    format: str | None = None
    skeleton: str | None = None
    images: str | None = None
    keep_zeros: bool = False
    normalised: bool | None = None
    pictures: str | None = None
    category: str | None = None


_OPTIONS = (
    click.option("--from", "from_", metavar="FORMAT", help="Format of the input.  [sniffed]"),
    click.option("--skeleton", metavar="NAME|FILE", help="Skeleton, where the file does not tell."),
    click.option(
        "--sizes",
        metavar="FILE.json",
        help="COCO file that tells the sizes, names and ids of the images.",
    ),
    click.option(
        "--keep-zeros/--zero-is-missing",
        help="Whether (0, 0) is a place or, whatever its score, a missing joint.  [missing]",
    ),
    click.option(
        "--normalised/--pixels",
        default=None,
        help="Whether coordinates are shares of the images, whose sizes must be known.  [sniffed]",
    ),
    click.option(
        "--category",
        metavar="NAME|ID",
        help="Only what is of this category; needed where categories differ in joints.",
    ),
)


_LOOKED_AT = "Folder of pictures: every pose is looked at again in its own."
_OLD_IMAGES = click.option("--images", metavar="FILE.json", hidden=True)


def input_options(
    function: Callable[..., Any] | None = None, *, pictures: bool | str = False
) -> Callable[..., Any]:
    """Give a verb the options of `Input`, as the argument named `inputs`.

    Args:
        function: the verb; without it a decorator is returned.
        pictures: whether it looks at pictures, the folder --images; or what it does with them.
    """
    if function is None:
        return partial(input_options, pictures=pictures)

    @wraps(function)
    def gather(
        *arguments: Any,
        from_: str | None,
        skeleton: str | None,
        sizes: str | None,
        images: str | None,
        keep_zeros: bool,
        normalised: bool | None,
        category: str | None,
        **others: Any,
    ) -> Any:
        sizes, folder = _tell_apart(sizes, images, bool(pictures))
        inputs = Input(from_, skeleton, sizes, keep_zeros, normalised, folder, category)
        return function(*arguments, inputs=inputs, **others)

    verb: Callable[..., Any] = gather
    text = pictures if isinstance(pictures, str) else _LOOKED_AT
    folder_option = click.option("--images", metavar="DIR", help=text)
    for option in reversed((*_OPTIONS, folder_option if pictures else _OLD_IMAGES)):
        verb = option(verb)
    return verb


def _tell_apart(
    sizes: str | None, images: str | None, pictures: bool
) -> tuple[str | None, str | None]:
    """Return the file of sizes and the folder of pictures; --images once took both."""
    if images is None or (pictures and (not Path(images).is_file() or images.endswith(".tar"))):
        return sizes, images
    if Path(images).is_dir():
        raise click.UsageError(
            "--images: this verb looks at no pictures; a COCO file with the sizes and names of "
            "the images is --sizes FILE.json"
        )
    if sizes is not None:
        raise click.UsageError(f"expected a folder of pictures in --images, got {images}")
    say(f"--images {images}: a file of sizes and names is called --sizes now")
    return images, None


def threads_option(function: F) -> F:
    """Give a verb ``--threads``, which holds while it runs."""

    @wraps(function)
    def in_threads(*arguments: Any, threads: int, **others: Any) -> Any:
        from refine._threads import set_threads, thread_count

        before = thread_count()
        set_threads(threads)
        try:
            return function(*arguments, **others)
        finally:
            set_threads(before)

    option = click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="For what gains by several; the results are the same.",
    )
    verb: Any = option(in_threads)
    return verb  # type: ignore[no-any-return]


def read_poses(
    path: str, inputs: Input, default: "Skeleton | None" = None, *, plain: bool = False
) -> "Poses":
    """Read poses as the options say, and say what the file was taken for.

    Args:
        path: of the poses.
        inputs: the options.
        default: skeleton of the ground truth, see `refine.read`.
        plain: whether they are only compared with it, so that no other fields are needed.
    """
    from refine.formats import read

    # Of predictions, those of the category of the truth are found by its number.
    usual = Input(category=inputs.category if plain else None)
    if plain and default is not None and inputs == usual:
        from refine.evaluation.predictions import read_predictions

        poses = read_predictions(path, default)
    else:
        poses = read(
            path,
            inputs.format,
            skeleton=inputs.skeleton,
            images=inputs.images,
            default=default,
            category=inputs.category if default is None else None,
            zero_is_missing=not inputs.keep_zeros,
            normalised=inputs.normalised,
        )
    say(
        f"{path}: read as {poses.meta['format']}, {poses.skeleton.name}: "
        f"{len(poses)} poses on {len(poses.images)} images"
    )
    for note in poses.meta.get("notes", ()):
        say(f"{path}: {note}")
    return poses


def write_poses(
    poses: "Poses", output: str, to: str | None, images: str | None, precision: int | None
) -> dict[str, Any]:
    """Write poses, and say what was changed for that and what was lost by it.

    What becomes COCO gets the ids of the `images` file. What that file tells is not lost.

    Returns:
        of the summary the format, the notes of reading and writing, and the losses by name.
    """
    from refine.formats import format_for, get_format, losses, prepared, with_images, write
    from refine.formats._losses import tell_losses

    found = to or format_for(poses, output)
    told = {"image names", "image sizes"} if images else set()
    lost = {k: n for k, n in losses(poses, found, output).items() if k not in told}
    if images and found.startswith("coco") and found != poses.meta["format"]:
        poses = with_images(poses, images, rename=True)
    _, notes = prepared(poses, found)
    write(poses, output, found, precision=precision)
    for note in (*notes, *([tell_losses(lost, get_format(found))] if lost else [])):
        say(f"{output}: {note}")
    return {
        "format": found,
        "notes": [*poses.meta.get("notes", ()), *notes],
        "lost": lost,
    }


def read_image_ids(source: str) -> list[int | str]:
    """Read image ids from ``FILE``, or from the list under ``KEY`` of ``FILE:KEY``.

    Raises:
        FormatError: neither a list of ids nor lines.
    """
    from refine.exceptions import FormatError
    from refine.files import parse_json, read_bytes

    path, key = source, ""
    if not Path(source).exists() and ":" in source:
        path, _, key = source.rpartition(":")
    data = read_bytes(path)
    content: Any
    if data.lstrip()[:1] in (b"[", b"{"):
        content = parse_json(data, path)
        if isinstance(content, dict):
            keys = ", ".join(content)
            if key not in content:
                raise FormatError(
                    f"expected the key of a list of image ids, got {key!r}",
                    where=path,
                    hint=f"{path}:KEY with one of {keys}",
                )
            content = content[key]
    else:
        words = data.decode("utf-8", "replace").split()
        content = [int(word) if word.isdecimal() else word for word in words]
    if not isinstance(content, list) or not all(isinstance(i, int | str) for i in content):
        raise FormatError("expected a list of image ids", where=path)
    return content


def settings_of(kind: type[T], changes: dict[str, Any], flag: str) -> T:
    """Return the settings of a training, with changes from options that trainings share.

    Args:
        kind: dataclass of the settings.
        changes: by attribute.
        flag: that asks for this training.

    Raises:
        UsageError: an option that only other trainings have.
    """
    try:
        return kind(**changes)
    except TypeError as error:
        odd = str(error).rpartition(" ")[2].strip("'").replace("_", "-")
        raise click.UsageError(f"--{odd} is not for {flag}") from None
