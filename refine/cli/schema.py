"""`refine schema`: the JSON Schema of what a format writes."""

import click


@click.command("schema")
@click.argument("name", metavar="FORMAT")
def command(name: str) -> None:
    """Print the JSON Schema (draft 2020-12) of the files of FORMAT.

    In lines, a line is an item of the list; in a folder, each file is a document. Files that are no
    JSON have the schema of the document that `refine formats FORMAT` shows.
    """
    from refine.files import dump_json
    from refine.formats.schemas import schema

    click.echo(dump_json(schema(name)).decode())
