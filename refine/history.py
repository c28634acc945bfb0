"""What was done to poses: steps, and the lines that tell of them in files.

A line is `name key=value ... weights=sha256:...`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from refine.exceptions import FormatError
from refine.files import dump_json

FIELD = "refine_history"
"""Field of a row, or of a file, that holds the steps."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to poses: its name, parameters, and the weights it used."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    weights: str | None = None


COUNTS = frozenset(
    {
        "fragments", "joined", "joints", "limb_joints", "persons", "poses", "removed", "tracks",
        "unfit", "unread", "without_own_score", "without_picture",
    }
)  # fmt: skip
"""Parameters of steps that count what was done to these very poses; the others say how."""


def join_histories(one: Sequence[Step], other: Sequence[Step]) -> tuple[Step, ...] | None:
    """Return the history of poses of two runs, None where they went through different steps.

    Steps are the same if name, weights and parameters are, but for `COUNTS`; counts that differ
    are left out, for they tell of neither.

    >>> once, again = Step("complete", {"joints": 3}), Step("complete", {"joints": 5})
    >>> join_histories([once], [again])
    (Step(name='complete', parameters={}, weights=None),)
    >>> join_histories([once], []) is None
    True
    """
    if len(one) != len(other):
        return None
    steps = []
    for a, b in zip(one, other, strict=True):
        mine, others = dict(a.parameters), dict(b.parameters)
        for key in COUNTS & (mine.keys() | others.keys()):
            if key not in mine or key not in others or mine[key] != others[key]:
                mine.pop(key, None)
                others.pop(key, None)
        if (a.name, a.weights, mine) != (b.name, b.weights, others):
            return None
        steps.append(Step(a.name, mine, a.weights))
    return tuple(steps)


EXPECTED_KS_STEPS = frozenset({"complete", "correct"})
"""Steps that put expected keypoint similarities in the place of keypoint scores. Files do not say
of what kind their scores are; their history does."""


def encode(history: Sequence[Step]) -> list[str]:
    """Write steps as lines.

    >>> encode([Step("suppress", {"threshold": 0.9}), Step("complete", {}, "sha256:12ab")])
    ['suppress threshold=0.9', 'complete weights=sha256:12ab']
    """
    lines = []
    for step in history:
        pairs = [f"{key}={_compact(value)}" for key, value in step.parameters.items()]
        pairs += [f"weights={step.weights}"] if step.weights else []
        lines.append(" ".join([step.name, *pairs]))
    return lines


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
        raise FormatError(f"expected a list of lines in {FIELD!r}, got {lines!r:.60}", where=where)
    return tuple(_step(line, where) for line in lines)


def agree(lines: Sequence[Any], where: Callable[[int], str]) -> tuple[Step, ...]:
    """Return the one history of all records of a file, given as the lines of each.

    Records of two runs may differ in what was counted, see `join_histories`.

    Raises:
        FormatError: a record went through other steps than the first.
    """
    if not lines:
        return ()
    history = parse(lines[0], where(0))
    last = lines[0]
    for i, each in enumerate(lines):
        if each == last:
            continue
        joined, last = join_histories(history, parse(each, where(i))), each
        if joined is None:
            raise FormatError(
                "expected all records to have gone through the same steps, got another "
                f"{FIELD!r} than in {where(0)}",
                where=where(i),
                hint="keeping refined and other poses in files of their own",
            )
        history = joined
    return history


def _compact(value: Any) -> str:
    # Blanks part the pairs; within JSON they occur only in strings, where they can be escaped.
    return dump_json(value).decode().replace(" ", "\\u0020")


def _step(line: str, where: str) -> Step:
    name, *pairs = line.split(" ")
    values: dict[str, Any] = {}
    try:
        for pair in pairs:
            key, equals, text = pair.partition("=")
            if not (key and equals):
                raise ValueError(pair)
            values[key] = text if key == "weights" else json.loads(text)
    except ValueError:
        raise FormatError(f"expected `name key=value ...`, got {line!r:.80}", where=where) from None
    return Step(name, values, weights=values.pop("weights", None))
