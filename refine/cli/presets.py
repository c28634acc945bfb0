"""`refine presets`: the published systems that `refine decode` knows."""

from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the presets as one JSON object.")
@click.option("--markdown", is_flag=True, help="Print the presets as a table in Markdown.")
def command(name: str | None, as_json: bool, markdown: bool) -> None:
    """List the published systems that `decode` knows, or print one with all its options.

    The list says what each decodes and whose code it follows; NAME is one of these or another
    that it goes by (yolo11-pose, RTMPose-m). `decode --set NAME=VALUE` changes any option.
    """
    from refine.decoding import get_preset, load_presets
    from refine.files import dump_json

    chosen = [get_preset(name)] if name else list(load_presets().values())
    if as_json:
        click.echo(dump_json({p.name: {**_about(p), **p.options.table()} for p in chosen}).decode())
    elif markdown:
        click.echo("| preset | family | how it decodes | source |\n|---|---|---|---|")
        for p in chosen:
            note = f"; {p.note}" if p.note else ""
            click.echo(
                f"| {p.name} | {p.family} | {_text(p.options.changed())} | {p.source}{note} |"
            )
    elif name:
        changed = chosen[0].options.changed()
        for key, value in _about(chosen[0]).items():
            click.echo(f"{key:15} {value}")
        for key, value in chosen[0].options.table().items():
            click.echo(f"{key:15} {_value(value)}{'' if key in changed else '  (default)'}")
    else:
        for p in chosen:
            click.echo(f"{p.name:20} {_what(p)}  [{p.source.partition(';')[0]}]")


def _what(preset: Any) -> str:
    """Say in a few words what a preset decodes: what its family does."""
    from refine.decoding import FAMILIES

    line = (FAMILIES[preset.family].decode.__doc__ or "").partition("\n")[0].rstrip(".")
    return line.removeprefix("Decode ")


def _about(preset: Any) -> dict[str, str]:
    from refine.decoding.presets import preset_aliases

    about = {"name": preset.name, "family": preset.family, "source": preset.source}
    others = [alias for alias, of in preset_aliases().items() if of == preset.name]
    about |= {"also": ", ".join(others)} if others else {}
    return about | ({"note": preset.note} if preset.note else {})


def _text(options: dict[str, Any]) -> str:
    told = ", ".join(f"{key} {_value(value)}" for key, value in options.items())
    return told or "the defaults of the family"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_value, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
