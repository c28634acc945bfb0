"""What the shell completes: names of files everywhere, and the names that a table ships."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem


def _formats() -> Iterable[str]:
    from refine.formats import FORMATS

    return FORMATS


def _skeletons() -> Iterable[str]:
    from refine.skeletons import skeleton_names

    return skeleton_names()


def _presets() -> Iterable[str]:
    from refine.decoding import load_presets

    return load_presets()


def _image_presets() -> Iterable[str]:
    from refine.refiner.image.settings import preset_names

    return preset_names()


def _statistics() -> Iterable[str]:
    from refine.errors.statistics import statistics_names

    return statistics_names()


def _mends() -> Iterable[str]:
    from refine.checks import MENDS

    return (f"{name}=" if way.value else name for name, way in MENDS.items())


_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "--from": _formats,
    "--to": _formats,
    "--skeleton": _skeletons,
    "--to-skeleton": _skeletons,
    "--sigmas": _skeletons,
    "--preset": _presets,
    "--mend": _mends,
    "--stats": _statistics,
    "train --preset": _image_presets,
    "formats name": _formats,
    "schema name": _formats,
    "presets name": _presets,
    "skeletons name": _skeletons,
}
"""By option, or by verb and option or argument."""
_FILES = ("FILE", "OUT", "FOLDER", "DIR", "JSON", ".json")
"""What placeholders of files have in them."""


class _Completed(click.types.StringParamType):
    """Text, completed by names and by files."""

    def __init__(self, names: Callable[[], Iterable[str]] | None, files: str | None) -> None:
        self.names, self.files = names, files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that go on as was begun, and that files do, too."""
        names = self.names() if self.names else ()
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found + ([CompletionItem(incomplete, type=self.files)] if self.files else [])


def add_completion(command: click.Command, verb: str) -> click.Command:
    """Let the shell complete the arguments and the options of a verb that take text."""
    for parameter in command.params:
        if not isinstance(parameter.type, click.types.StringParamType):
            continue
        option, holder = max(parameter.opts, key=len), parameter.metavar or ""
        names = _NAMES.get(f"{verb} {option}", _NAMES.get(option))
        some = isinstance(parameter, click.Argument) and names is None
        some = some or any(mark in holder for mark in _FILES)
        if names or some:
            kind = "dir" if holder in ("DIR", "FOLDER") else "file"
            parameter.type = _Completed(names, kind if some else None)
    return command
