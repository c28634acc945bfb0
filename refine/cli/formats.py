"""`refine formats`: what is read and written, what each form cannot hold, what it looks like."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from refine.formats import Format


@click.command("formats")
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Print the table of refine/formats/README.md.")
@click.option("--drop-ins", is_flag=True, help="The lines that change in other tools instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the formats as one JSON object.")
def command(name: str | None, markdown: bool, drop_ins: bool, as_json: bool) -> None:
    """List the file formats, or print one with a sample of it."""
    from refine.files import dump_json

    if drop_ins:
        rows = _drop_ins()
        lines = [f"{row['name']:42} {row['line']}" for row in rows]
        shown = _table([_as_cells(row) for row in rows]) if markdown else "\n".join(lines)
        click.echo(dump_json(rows).decode() if as_json else shown)
        return
    from refine.formats import FORMATS, get_format
    from refine.formats.containers import dump, is_binary

    chosen = [get_format(name)] if name else list(FORMATS.values())
    if as_json:
        click.echo(dump_json({form.name: _facts(form) for form in chosen}).decode())
    elif markdown:
        click.echo(_table([_words(form) for form in chosen]))
    elif name:
        click.echo("\n".join(f"{key:13} {value}" for key, value in _words(chosen[0]).items()))
        ending = ".json" if is_binary(chosen[0].ending) else chosen[0].ending
        sample = dump(chosen[0].sample(), "document", ending).decode()
        click.echo(f"\n{sample.rstrip()}")
    else:
        for form in chosen:
            click.echo(f"{form.name:15} {form.about}")


def _facts(form: "Format") -> dict[str, object]:
    return {
        "about": form.about,
        "tells": form.tells,
        "holdings": form.holdings,
        "cannot_hold": form.cannot_hold,
        "sample": form.sample(),
    }


def _words(form: "Format") -> dict[str, str]:
    from refine.formats.base import HOLDINGS

    return {
        "name": form.name,
        "about": form.about,
        "told by": form.tells,
        "held as": ", ".join(HOLDINGS[held] for held in form.holdings),
        "cannot hold": ", ".join(form.cannot_hold) or "-",
        **_parsed("refine.formats", "sources.toml")[form.name],
    }


def _drop_ins() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = _parsed("refine.adapters", "drop_ins.toml")["drop_in"]
    return rows


@cache
def _parsed(room: str, name: str) -> dict[str, Any]:
    return tomllib.loads(files(room).joinpath(name).read_text("utf-8"))


def _as_cells(row: dict[str, str]) -> dict[str, str]:
    return {
        "tool": row["name"],
        "the line": f"`{row['line']}`",
        "stands in for": f"`{row['source']}`" if "/" in row["source"] else row["source"],
        "tested against": row["tested"],
        "what is lost": row["lost"],
    }


def _table(rows: list[dict[str, str]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
