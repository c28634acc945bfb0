"""`refine presets`: the published systems that `refine decode` knows."""

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the presets as one JSON object.")
def command(name: str | None, as_json: bool) -> None:
    """List the published systems that `decode` knows, or print one."""
    from dataclasses import asdict

    from refine.decoding import Preset, get_preset, load_presets
    from refine.files import dump_json

    chosen = [get_preset(name)] if name else list(load_presets().values())
    if as_json:
        click.echo(dump_json({p.name: asdict(p) for p in chosen}).decode())
    elif name:
        table = asdict(chosen[0])
        options = table.pop("options")
        if chosen[0].family != "heatmap":
            plain = asdict(Preset(name="", source=""))
            shared = ("name", "source", "family", "skeleton", "alignment", "offset", "stride")
            table = {k: v for k, v in table.items() if k in shared or v != plain[k]}
        for key, value in {**table, **options}.items():
            click.echo(f"{key:13} {value}")
    else:
        for p in chosen:
            if p.family != "heatmap":
                told = " ".join(f"{k} {v}" for k, v in p.options.items())
                click.echo(f"{p.name:20} {p.family:12} {told}")
                continue
            method = p.method + (f" {p.kernel}" if p.kernel else "")
            click.echo(f"{p.name:20} {method:12} {p.alignment:8} flip {p.flip_shift:<5g} {p.score}")
