"""The categories of COCO ground truth: which have joints, and which annotations are of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refine.exceptions import FormatError, SkeletonError
from refine.skeletons import Skeleton, skeleton_from_category


def named_skeleton(document: Any, where: str, category: int | str | None = None) -> Skeleton | None:
    """Return the skeleton that the categories of COCO ground truth name, None without any.

    Args:
        document: parsed ground truth.
        where: it is, for messages.
        category: id or name of the one that counts.

    Raises:
        FormatError: no such category.
        SkeletonError: they name several.
    """
    named = named_categories(document.get("categories")) if isinstance(document, Mapping) else []
    if category is not None:
        named = named_categories([find_category(document, category, where)])
    if len({tuple(c["keypoints"]) for c in named}) > 1:
        raise SkeletonError(
            "expected one skeleton in 'categories', got several: "
            + ", ".join(repr(c.get("name")) for c in named),
            where=where,
            hint="--category with one of them, or a file for each",
        )
    return skeleton_from_category(named[0], where) if named else None


def listed_categories_of(document: Any) -> dict[Any, str]:
    """Return id -> name of the categories that ground truth lists."""
    rows = document.get("categories") if isinstance(document, Mapping) else None
    rows = rows if isinstance(rows, list) else []
    return {
        c["id"]: str(c.get("name", ""))
        for c in rows
        if isinstance(c, dict) and isinstance(c.get("id"), int | float | str)
    }


def strays_of(others: Sequence[tuple[int, Any]], categories: Mapping[Any, str]) -> list[Any]:
    """Return the ids of annotations with keypoints that are of no category of the file."""
    return [
        row.get("id")
        for _, row in others
        if row.get("keypoints") and row.get("category_id") not in categories
    ]


def find_category(document: Any, wanted: int | str, where: str) -> dict[str, Any]:
    """Find a category by id or name.

    Raises:
        FormatError: no such category.
    """
    rows = document.get("categories") if isinstance(document, Mapping) else None
    known: list[dict[str, Any]] = []
    known += [c for c in rows if isinstance(c, dict)] if isinstance(rows, list) else []
    for key in ("id", "name"):
        for row in known:
            if row.get(key) is not None and str(row[key]) == str(wanted):
                return row
    told = ", ".join(f"{c.get('id')!r} {c.get('name', '')}".strip() for c in known[:20])
    raise FormatError(
        f"expected the id or name of a category, got {wanted!r:.40}",
        where=where,
        hint=f"one of {told}" if told else None,
    )


def named_categories(categories: Any) -> list[dict[str, Any]]:
    """Return the categories that name joints (Halpe's do not)."""
    rows = categories if isinstance(categories, list) else []
    return [
        c
        for c in rows
        if isinstance(c, dict)
        and isinstance(c.get("keypoints"), list)
        and c["keypoints"]
        and all(isinstance(joint, str) for joint in c["keypoints"])
    ]


def without_body(categories: Any, body: Skeleton, only: int | str | None) -> list[dict[str, Any]]:
    """Return the categories that name other joints than a skeleton's; `only` the one of this id."""
    named = named_categories(categories)
    return [
        c
        for c in named
        if (only is None or c.get("id") == only) and skeleton_from_category(c, "") != body
    ]


def with_body(categories: Any, body: Skeleton, only: int | str | None = None) -> list[Any]:
    """Give the categories with joints those of another skeleton; make one where there is none."""
    if not named_categories(categories):
        return categories_with(body, [1])
    others = without_body(categories, body, only)
    return [c | _joints_of(body) if c in others else c for c in categories]


def categories_with(body: Skeleton, ids: Iterable[int | str]) -> list[dict[str, Any]]:
    """Make categories with the joints of a skeleton; 1 is the person, others have no name."""
    named = ({"id": i, "name": "person" if i == 1 else str(i)} for i in ids)
    return [category | _joints_of(body) for category in named]


def _joints_of(body: Skeleton) -> dict[str, Any]:
    return {
        "keypoints": list(body.joints),
        "skeleton": [[a + 1, b + 1] for a, b in body.edges],
    }
