"""The page about the systems holds what the command prints."""

from pathlib import Path

import refine.decoding
from refine.decoding import load_presets

PAGE = Path(refine.decoding.__file__).with_name("README.md").read_text("utf-8")


def test_the_table_of_presets_is_what_the_command_prints(cli):
    begin = "<!-- generated: refine presets --markdown -->\n"
    printed = cli("presets", "--markdown")
    assert printed.code == 0, printed.err
    table = PAGE[PAGE.index(begin) + len(begin) : PAGE.index("<!-- end -->")]
    assert table == printed.out, "write it anew: refine presets --markdown"
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [
        f"| {name}" for name in load_presets()
    ]


def test_the_comparisons_name_presets_that_there_are():
    begin = PAGE.index("| preset | compared with")
    rows = PAGE[begin : PAGE.index("\n\n", begin)].splitlines()[2:]
    named = {n.strip() for row in rows for n in row.split("|")[1].replace(";", ",").split(",")}
    assert named <= set(load_presets())
