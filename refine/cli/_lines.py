"""`refine run - -o - --stream`: one line in, one line out, as long as standard input is open."""

import io
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from refine.cli._options import Input
from refine.exceptions import RefineError
from refine.files import dump_json
from refine.formats import read, write
from refine.pipeline import Config, run
from refine.pipeline.runner import needs_video

if TYPE_CHECKING:
    from refine.poses import Poses


def refine_lines(inputs: Input, config: Config) -> None:
    """Refine lines of standard input one by one, and flush each.

    A line that cannot be read or refined becomes a record ``{"line": number, "error": {...}}`` in
    its place, and the next is read. An empty line is passed over. With steps for videos lines come
    out, in their order, when enough of what follows is known.

    Raises:
        RefineError: options that need the whole video.
    """
    if needs_video(config):
        from refine.pipeline.online import Online

        online = Online(config)
        answers = _Answers(lambda: online.waiting)
        put, flush = online.put, online.flush
    else:
        answers = _Answers(lambda: 0)
        put, flush = (lambda poses: [run(poses, config)]), list
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip():
            answers.expect(number)
            answers.give(partial(_put, put, line, inputs))
    answers.give(flush)


class _Answers:
    """What is written for each line, in the order of lines.

    Args:
        waiting: tells how many of the last lines that have no answer get one later.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._lines: deque[tuple[int, bytes | None]] = deque()

    def expect(self, number: int) -> None:
        self._lines.append((number, None))

    def give(self, make: "Callable[[], list[Poses]]") -> None:
        """Answer lines with what is ready, or with an error those that nothing will come of."""
        open_ = [i for i, (_, answer) in enumerate(self._lines) if answer is None]
        try:
            for i, poses in zip(open_, make(), strict=False):
                self._lines[i] = self._lines[i][0], _written(poses)
        except RefineError as error:
            for i in open_[self._waiting() :]:
                number = self._lines[i][0]
                self._lines[i] = number, _told(number, error)
        while self._lines and self._lines[0][1] is not None:
            sys.stdout.buffer.write(self._lines.popleft()[1] or b"")
            sys.stdout.buffer.flush()


def _put(put: "Callable[[Poses], list[Poses]]", line: bytes, inputs: Input) -> "list[Poses]":
    """Return what is ready when a line is read."""
    poses = read(
        io.BytesIO(line),
        inputs.format or "ndjson",
        skeleton=inputs.skeleton,
        images=inputs.images,
        category=inputs.category,
        zero_is_missing=not inputs.keep_zeros,
        normalised=inputs.normalised,
    )
    return put(poses)


def _written(poses: "Poses") -> bytes:
    out = io.BytesIO()
    write(poses, out, "ndjson")
    return out.getvalue().strip().replace(b"\n", b" ") + b"\n"


def _told(number: int, error: RefineError) -> bytes:
    detail = {"message": error.message, "where": error.where, "hint": error.hint}
    return dump_json({"line": number, "error": detail}).rstrip() + b"\n"
