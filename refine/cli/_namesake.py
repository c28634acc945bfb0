"""Another distribution is called `refine`, too, and puts its files where ours are."""

from importlib import metadata

from refine.cli._output import say


def warn_of_namesake() -> None:
    """Say in one line if a distribution named `refine` is installed; ours is `refine-pose`."""
    try:
        version = metadata.version("refine")
    except metadata.PackageNotFoundError:
        return
    say(
        f"warning: another package called refine ({version}) is installed, and both use the "
        "folder refine; try pip uninstall refine, then pip install --force-reinstall refine-pose"
    )
