"""`refine skeletons`: the skeletons that ship, or one of them (or of a file) in full."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from refine.skeletons import Skeleton


@click.command()
@click.argument("name", required=False, metavar="[NAME|FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the skeletons, or print one with its edges, mirror, sigmas and map to COCO-17.

    FILE is a skeleton in .toml or .json, or a COCO annotation file with `categories`.
    """
    from refine.files import dump_json
    from refine.skeletons import skeleton, skeleton_names

    if name:
        table = _table(skeleton(name))
        click.echo(dump_json(table).decode() if as_json else _text(table))
        return
    rows = [_row(skeleton(n)) for n in skeleton_names()]
    if as_json:
        click.echo(dump_json(rows).decode())
        return
    click.echo(f"{'name':14}{'joints':>6}  {'sigmas':8}source")
    for row in rows:
        click.echo(f"{row['name']:14}{row['joints']:>6}  {row['sigmas']:8}{row['source']}")


def _row(skeleton: "Skeleton") -> dict[str, Any]:
    import numpy as np

    known = 0 if skeleton.sigmas is None else int(np.isfinite(skeleton.sigmas).sum())
    sigmas = "no" if not known else "yes" if known == len(skeleton) else f"{known}/{len(skeleton)}"
    return {
        "name": skeleton.name,
        "joints": len(skeleton),
        "sigmas": sigmas,
        "source": skeleton.source,
    }


def _table(skeleton: "Skeleton") -> dict[str, Any]:
    from refine.skeletons import skeleton as load

    coco = load("coco17")
    index, quality = coco.map_from(skeleton)
    feeds = {
        int(i): {"joint": joint, "quality": q}
        for joint, i, q in zip(coco.joints, index, quality, strict=True)
        if i >= 0
    }
    mirror = skeleton.mirror
    return {
        "name": skeleton.name,
        "source": skeleton.source,
        "joints": [
            {
                "index": i,
                "name": joint,
                "mirror": int(mirror[i]),
                "sigma": None if skeleton.sigmas is None else skeleton.sigmas[i],
                "region": skeleton.regions[i] if skeleton.regions else None,
                "mean_of": skeleton.derived.get(joint),
                "coco17": feeds.get(i),
            }
            for i, joint in enumerate(skeleton.joints)
        ],
        "edges": skeleton.edges,
    }


def _text(table: dict[str, Any]) -> str:
    lines = [f"{table['name']}: {len(table['joints'])} joints. {table['source']}", ""]
    width = max(6, *(len(j["name"]) for j in table["joints"])) + 2
    lines.append(f"{'':>4}  {'joint':{width}}{'mirror':>6}  {'sigma':>7}  COCO-17")
    for joint in table["joints"]:
        known = joint["sigma"] is not None and joint["sigma"] == joint["sigma"]
        if fed := joint["coco17"]:
            note = fed["joint"] + (" (near)" if fed["quality"] == "near" else "")
        else:
            note = f"- (mean of {', '.join(joint['mean_of'])})" if joint["mean_of"] else "-"
        lines.append(
            f"{joint['index']:>4}  {joint['name']:{width}}{joint['mirror']:>6}  "
            f"{joint['sigma'] if known else '-':>7.5}  {note}"
        )
    edges = " ".join(f"{a}-{b}" for a, b in table["edges"])
    return "\n".join([*lines, "", f"edges  {edges or '-'}"])
