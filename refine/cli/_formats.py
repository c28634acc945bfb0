"""The formats, where a verb's help lists them."""

import click


class WithFormats(click.Command):
    """A verb whose help ends with the formats, read from their list when it is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and what they are."""
        from refine.formats import FORMATS

        with formatter.section("Formats (see `refine formats`)"):
            formatter.write_dl([(form.name, form.about) for form in FORMATS.values()])
