"""What benchmarks of speed share: their options, versions, and where their tables go."""

import argparse
import contextlib
import json
import platform
from importlib import metadata
from pathlib import Path


def options_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse options, with --markdown and --json for the files of the table."""
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def versions(packages):
    """Say which versions of Python and of packages, as far as they are installed, run."""
    found = [f"Python {platform.python_version()}"]
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def publish(options, table, rows, packages):
    """Print a table with the versions, and write both where options say."""
    text = f"{table}\n\n{versions(packages)}\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        held = {"versions": versions(packages), "rows": rows}
        options.json.write_text(json.dumps(held, indent=1))
