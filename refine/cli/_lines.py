"""`refine run - -o - --stream`: one line in, one line out, as long as standard input is open."""

import io
import sys

from refine.cli._options import Input
from refine.exceptions import RefineError
from refine.files import dump_json
from refine.formats import read, write
from refine.pipeline import Config, run
from refine.pipeline.runner import check_apart


def refine_lines(inputs: Input, config: Config) -> None:
    """Refine lines of standard input one by one, and flush each.

    A line that cannot be read or refined becomes a record ``{"line": number, "error": {...}}`` in
    its place, and the next is read. An empty line is passed over.

    Raises:
        RefineError: steps that need more than a line.
    """
    check_apart(config)
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            out = _refined(line, inputs, config)
        except RefineError as error:
            detail = {"message": error.message, "where": error.where, "hint": error.hint}
            out = dump_json({"line": number, "error": detail}).rstrip() + b"\n"
        sys.stdout.buffer.write(out)
        sys.stdout.buffer.flush()


def _refined(line: bytes, inputs: Input, config: Config) -> bytes:
    poses = read(
        io.BytesIO(line),
        inputs.format or "ndjson",
        skeleton=inputs.skeleton,
        images=inputs.images,
        category=inputs.category,
        zero_is_missing=not inputs.keep_zeros,
        normalised=inputs.normalised,
    )
    out = io.BytesIO()
    write(run(poses, config), out, "ndjson")
    return out.getvalue().strip().replace(b"\n", b" ") + b"\n"
