"""What is no number, as text in a table: skeletons, steps and unknown fields."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refine.exceptions import ArrayError, FormatError
from refine.files import dump_json, parse_json
from refine.history import Step, encode, parse
from refine.skeletons import (
    Skeleton,
    skeleton,
    skeleton_from_category,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
)

USUAL = "coco17"
"""Skeleton of tables that hold no joints and tell of none."""


def dump_skeleton(body: Skeleton) -> str:
    """Return a skeleton's name, or all of it as JSON where it does not ship.

    >>> dump_skeleton(skeleton("coco17"))
    'coco17'
    """
    if body.name in skeleton_names() and skeleton(body.name) == body:
        return body.name
    return dump_json(skeleton_to_table(body)).decode()


def find_skeleton(
    text: str | None, joints: Sequence[str], given: Skeleton | str | Path | None
) -> Skeleton:
    """Return the given skeleton, that of a text, or one of the joints in their order.

    Raises:
        SkeletonError: a name that does not ship.
    """
    if given is not None:
        return skeleton(given)
    if text:
        if text.startswith("{"):
            return skeleton_from_table(parse_json(text.encode(), "skeleton"), "table")
        return skeleton(text)
    names = list(dict.fromkeys(joints))
    return skeleton_from_category({"keypoints": names}, "table") if names else skeleton(USUAL)


def dump_steps(history: Sequence[Step]) -> str:
    """Return the steps of a history as lines."""
    return "\n".join(encode(history))


def parse_steps(text: str | None) -> tuple[Step, ...]:
    """Read the lines of `dump_steps`.

    Raises:
        FormatError: other lines.
    """
    return parse(text.split("\n") if text else None, "table")


def dump_fields(fields: Mapping[str, Any]) -> str | None:
    """Return unknown fields as JSON, None where there are none."""
    return dump_json(dict(fields)).decode() if fields else None


def parse_fields(text: str | None, row: int) -> dict[str, Any]:
    """Read what `dump_fields` wrote.

    Raises:
        ArrayError: no JSON object.
    """
    if not text:
        return {}
    try:
        found = parse_json(text.encode(), "extra")
    except FormatError:
        found = None
    if not isinstance(found, dict):
        raise ArrayError(f"expected a JSON object in 'extra', got {text!r:.40}", where=f"row {row}")
    return found
