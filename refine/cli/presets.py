"""`refine presets`: the published systems that `refine decode` knows."""

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the presets as one JSON object.")
def command(name: str | None, as_json: bool) -> None:
    """List the published systems that `decode` knows, or print one."""
    from dataclasses import asdict

    from refine.decode import get_preset, load_presets
    from refine.files import dump_json

    chosen = [get_preset(name)] if name else list(load_presets().values())
    if as_json:
        click.echo(dump_json({p.name: asdict(p) for p in chosen}).decode())
    elif name:
        for key, value in asdict(chosen[0]).items():
            click.echo(f"{key:13} {value}")
    else:
        for p in chosen:
            method = p.method + (f" {p.kernel}" if p.kernel else "")
            click.echo(f"{p.name:16} {method:12} {p.alignment:8} flip {p.flip_shift:<5g} {p.score}")
