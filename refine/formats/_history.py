"""Histories in files: one compact line a step, `name key=value ... weights=sha256:...`."""

import json
from collections.abc import Sequence
from typing import Any

from refine.exceptions import FormatError
from refine.poses import Step

FIELD = "refine_history"
"""Field of a row, or of a file, that holds the steps."""


def encode(history: Sequence[Step]) -> list[str]:
    """Write steps as lines.

    >>> encode([Step("suppress", {"threshold": 0.9}), Step("complete", {}, "sha256:12ab")])
    ['suppress threshold=0.9', 'complete weights=sha256:12ab']
    """
    return [
        " ".join(
            [
                step.name,
                *(
                    f"{k}={json.dumps(v, separators=(',', ':'))}"
                    for k, v in step.parameters.items()
                ),
                *([f"weights={step.weights}"] if step.weights else []),
            ]
        )
        for step in history
    ]


def parse(lines: Any, where: str) -> tuple[Step, ...]:
    """Read steps back; nothing at all is no steps.

    Raises:
        FormatError: not lines that `encode` wrote.

    >>> parse(["nms threshold=0.9 weights=sha256:1"], "a.json")[0].parameters
    {'threshold': 0.9}
    """
    if lines is None:
        return ()
    if not isinstance(lines, list) or not all(isinstance(x, str) and x.strip() for x in lines):
        raise FormatError(f"expected a list of lines in {FIELD!r}, got {lines!r}", where=where)
    steps = []
    for line in lines:
        name, *pairs = line.split(" ")
        values: dict[str, Any] = {}
        try:
            for pair in pairs:
                key, _, text = pair.partition("=")
                values[key] = text if key == "weights" else json.loads(text)
        except ValueError:
            raise FormatError(f"expected `name key=value ...`, got {line!r}", where=where) from None
        steps.append(Step(name, values, weights=values.pop("weights", None)))
    return tuple(steps)


def agree(histories: Sequence[tuple[str, Any]]) -> tuple[Step, ...]:
    """Return the one history of all records of a file, given as (where, lines).

    Raises:
        FormatError: some records went through other steps than the first.
    """
    if not histories:
        return ()
    first_where, first = histories[0]
    for where, lines in histories[1:]:
        if lines != first:
            raise FormatError(
                "expected all records to have gone through the same steps, got another "
                f"{FIELD!r} than in {first_where}",
                where=where,
                hint="keeping refined and other poses in files of their own",
            )
    return parse(first, first_where)
