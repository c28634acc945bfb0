"""The table of persons and the cases, as the page shows them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refine.report.blocks import Cases, CaseView, Column, Group, Rows, Section, Tag
from refine.report.cases import WORSE, Case
from refine.report.rows import Row

LEADS = {
    "Lost most": "Annotated persons whose pose fits less than before.",
    "Gained most": "Annotated persons whose pose fits better than before.",
    "Worst": "Annotated persons whose pose fits least now.",
    "Not found": "Annotated persons that no file has a pose for.",
    "Nobody there": "Poses that match no annotated person, the highest scores first.",
    "Moved most": "Poses whose joints moved furthest, measured by the size of the pose.",
    "Filled most": "Poses that were given most of the joints they lacked.",
    "Removed": "Poses that only the first file has: duplicates, or parts of others.",
    "New": "Poses that only the last file has.",
    "Scored lowest": "Poses with the lowest scores.",
}
MARKS = (
    "Left is blue, right is vermilion; the less sure a joint, the fainter it is, and a pale disc "
    "shows how far off it may be. Hollow joints were filled in; arrows lead from where joints were."
)
TAGS = {
    "shown": "with crops",
    "worse": "worse than before",
    "better": "better than before",
    "missed": "not found",
    "nobody": "nobody there",
    "filled": "with filled joints",
}
PICTURED = 2
"""Columns of words, in which the page searches: image and person."""


def cases_section(
    rows: Sequence[Row], cases: Sequence[Case], labels: Sequence[str], names: Sequence[str]
) -> Section:
    """Return the section of cases.

    Args:
        rows: of all persons.
        cases: with crops.
        labels: of the files.
        names: what each row's person is called.
    """
    groups: dict[str, list[CaseView]] = {}
    for number, case in enumerate(cases, 1):
        row = rows[case.row]
        title = f"{_image(row)} · {names[case.row]}"
        view = CaseView(number, title, _told(row, labels), case.shots)
        groups.setdefault(case.group, []).append(view)
    shown = [Group(name, LEADS[name], views) for name, views in groups.items()]
    lead = (
        f"{len(cases)} of {len(rows)} persons, the first to look at. Open one to see it larger; "
        "the arrow keys lead to the next."
    )
    return Section("cases", "Cases", "Cases to look at", lead, [Cases(shown, MARKS)])


def rows_section(
    rows: Sequence[Row], cases: Sequence[Case], labels: Sequence[str], names: Sequence[str]
) -> tuple[Section, dict[str, Any]]:
    """Return the section of the table, and its data."""
    known, several = any(row.person >= 0 for row in rows), len(labels) > 1
    columns = [Column("image"), Column("person"), Column("score", 3)]
    if known:
        columns += [Column(f"OKS {label}", 3) for label in labels]
        columns += [Column("gain", 3, plus=True)] if several else []
        columns += [Column(f"wrong {label}", 0) for label in labels]
    if several:
        columns += [Column("moved", 3), Column("filled", 0), Column("removed", 0)]
    numbers = {case.row: number for number, case in enumerate(cases, 1)}
    table: list[dict[str, Any]] = []
    used: set[str] = set()
    for i, row in enumerate(rows):
        cells: list[Any] = [_image(row), names[i], _number(row.score)]
        if known:
            cells += [_number(oks) for oks in row.oks]
            cells += [_number(row.gain)] if several else []
            cells += [_number(count) for count in row.errors]
        if several:
            cells += [_number(row.moved), row.filled, row.removed]
        own = _tags(row, known, i in numbers)
        used |= set(own)
        table.append({"cells": cells, "tags": own, "case": numbers.get(i)})
    sort = next((i for i, c in enumerate(columns) if c.title == "gain"), 3 if known else 2)
    data = {
        "rows": table,
        "digits": [
            None if c.digits is None else {"digits": c.digits, "plus": c.plus} for c in columns
        ],
        "words": PICTURED,
        "sort": sort,
        "down": False,
    }
    tags = [Tag(name, title) for name, title in TAGS.items() if name in used]
    caption = (
        "Moved is the mean way of a joint over the root of the pose's area." if several else ""
    )
    lead = "A row per person. The heads sort; crops are of the cases above."
    section = Section("persons", "All persons", "All persons", lead, [Rows(columns, tags, caption)])
    return section, data


def _image(row: Row) -> str:
    return str(row.image.file_name or row.image.id)


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _tags(row: Row, known: bool, shown: bool) -> list[str]:
    tags = {
        "shown": shown,
        "worse": len(row.oks) > 1 and row.gain < WORSE,
        "better": len(row.oks) > 1 and row.gain > -WORSE,
        "missed": row.person >= 0 and row.poses[-1] < 0,
        "nobody": known and row.person < 0,
        "filled": row.filled > 0,
    }
    return [name for name, true in tags.items() if true]


def _told(row: Row, labels: Sequence[str]) -> str:
    parts = []
    if row.person >= 0:
        both = zip(row.poses, row.oks, strict=True)
        oks = " → ".join("none" if i < 0 else f"{v:.3f}" for i, v in both)
        parts.append(f"OKS {oks}" if max(row.poses) >= 0 else "not found")
        wrong = " → ".join(f"{count:.0f}" for count in row.errors if np.isfinite(count))
        parts += [f"wrong joints {wrong}"] if wrong else []
    else:
        there = [label for label, i in zip(labels, row.poses, strict=True) if i >= 0]
        parts += [f"only in {', '.join(there)}"] if len(there) < len(labels) else []
    if np.isfinite(row.score):
        parts.append(f"score {row.score:.3f}")
    if np.isfinite(row.moved) and row.moved > 0:
        parts.append(f"moved {100 * row.moved:.1f} % of its size")
    parts += [f"{row.filled} joints filled"] if row.filled else []
    parts += [f"{row.removed} joints removed"] if row.removed else []
    return "; ".join(parts)
