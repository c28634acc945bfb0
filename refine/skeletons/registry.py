"""Skeletons by name, and from tables and COCO categories."""

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import SkeletonError
from refine.skeletons.model import REGIONS, Skeleton, joint_key


def skeleton(name: str | Path | Skeleton) -> Skeleton:
    """Look up a skeleton by name, or read one from a TOML or JSON file; a skeleton is returned.

    Raises:
        SkeletonError: no such name, or the file is not a skeleton.

    >>> len(skeleton("coco17"))
    17
    """
    if isinstance(name, Skeleton):
        return name
    text = str(name)
    if text in skeleton_names():
        return _shipped(text)
    path = Path(text)
    if path.suffix in (".toml", ".json"):
        return read_skeleton(path)
    raise SkeletonError(
        f"expected the name of a skeleton or a .toml/.json file, got {text!r}",
        hint=f"one of {', '.join(skeleton_names())}",
    )


@cache
def skeleton_names() -> tuple[str, ...]:
    """Names of the skeletons that ship, sorted."""
    folder = resources.files("refine") / "skeletons"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def _shipped(name: str) -> Skeleton:
    text = (resources.files("refine") / "skeletons" / f"{name}.toml").read_text("utf-8")
    return skeleton_from_table(tomllib.loads(text), name)


def borrow_sigmas(table: Skeleton) -> Floats:
    """Return OKS sigmas (K,): a skeleton's own, else COCO's by joint name; NaN where COCO has none.

    >>> borrow_sigmas(skeleton("lsp14"))[[0, 13]].tolist()
    [0.089, nan]
    """
    if table.sigmas is not None:
        return table.sigmas
    coco = _shipped("coco17")
    index = table.map_from(coco)[0]
    return np.where(index >= 0, coco.require_sigmas()[index], np.nan)


TYPICAL_SIGMA = 0.07
"""About the median of COCO's body joints; of skeletons that share no joint with it."""


def usual_sigmas(table: Skeleton) -> Floats:
    """Return `borrow_sigmas`, and where there are none the median of the others.

    >>> bool(np.isfinite(usual_sigmas(skeleton("lsp14"))).all())
    True
    """
    sigmas = borrow_sigmas(table)
    known = sigmas[np.isfinite(sigmas)]
    usual = float(np.median(known)) if len(known) else TYPICAL_SIGMA
    return np.where(np.isfinite(sigmas), sigmas, usual)


def read_skeleton(path: Path) -> Skeleton:
    """Read a skeleton from a TOML or JSON table, or from the `categories` of a COCO file.

    Raises:
        SkeletonError: unreadable, or neither form.
    """
    try:
        raw = path.read_bytes()
        table = json.loads(raw) if path.suffix == ".json" else tomllib.loads(raw.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SkeletonError(
            f"expected a readable skeleton file, got {error}", where=str(path)
        ) from None
    if not isinstance(table, dict):
        raise SkeletonError("expected a table with a list `joints`", where=str(path))
    try:
        if isinstance(table.get("categories"), list):
            return skeleton_from_category(_keypoint_category(table["categories"], path), path.stem)
        return skeleton_from_table(table, path.stem)
    except SkeletonError as error:
        raise SkeletonError(error.message, where=str(path), hint=error.hint) from None
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise SkeletonError(
            f"expected a skeleton table, got one of another shape ({error})",
            where=str(path),
            hint="the form of refine/skeletons/coco17.toml",
        ) from None


def skeleton_from_table(table: Mapping[str, Any], name: str) -> Skeleton:
    """Build a skeleton from a parsed TOML/JSON table (see ``refine/skeletons/coco17.toml``).

    Raises:
        SkeletonError: a joint is named that `joints` lacks, or values are of the wrong type.
    """
    joints = table.get("joints")
    if not isinstance(joints, list) or not all(isinstance(j, str) for j in joints):
        raise SkeletonError(f"expected a list of names `joints` in {name!r}, got {joints!r}")
    place = {j: i for i, j in enumerate(joints)}

    def at(joint: object) -> int:
        if joint not in place:
            raise SkeletonError(f"expected only names out of `joints` in {name!r}, got {joint!r}")
        return place[str(joint)]

    sigmas = None
    if "sigmas" in table:
        sigmas = np.full(len(joints), np.nan)
        for joint, value in table["sigmas"].items():
            if not isinstance(value, (int, float)) or not 0 < value < np.inf:
                raise SkeletonError(f"expected a positive sigma for {joint!r}, got {value!r}")
            sigmas[at(joint)] = value
    regions = ["upper"] * len(joints)
    for region, members in table.get("regions", {}).items():
        if region not in REGIONS:
            raise SkeletonError(f"expected a region out of {REGIONS}, got {region!r}")
        for joint in members:
            regions[at(joint)] = region
    derived = {j: tuple(of) for j, of in table.get("derived", {}).items()}
    for joint, of in derived.items():
        for each in (joint, *of):
            at(each)
    aliases = {j: tuple(names) for j, names in table.get("aliases", {}).items()}
    partners = _partners(table.get("mirror", {}))
    for joint in (*table.get("near", ()), *table.get("stands_for", ()), *aliases):
        at(joint)
    for joint in (*partners, *partners.values()):
        at(joint)
    return Skeleton(
        name=str(table.get("name", name)),
        joints=tuple(joints),
        edges=tuple((at(a), at(b)) for a, b in table.get("edges", ())),
        sigmas=sigmas,
        regions=tuple(regions),
        derived=derived,
        near=frozenset(table.get("near", ())),
        stands_for=dict(table.get("stands_for", {})),
        source=str(table.get("source", "")),
        partners=partners,
        aliases=aliases,
    )


def skeleton_to_table(body: Skeleton) -> dict[str, Any]:
    """Write a skeleton as `skeleton_from_table` reads it; plain data.

    >>> len(skeleton_from_table(skeleton_to_table(skeleton("coco17")), "").require_sigmas())
    17
    """
    names = body.joints
    table: dict[str, Any] = {
        "name": body.name,
        "joints": list(names),
        "edges": [[names[a], names[b]] for a, b in body.edges],
        "derived": {joint: list(of) for joint, of in body.derived.items()},
        "near": sorted(body.near),
        "stands_for": dict(body.stands_for),
    }
    if body.regions:
        table["regions"] = {
            region: [j for j, r in zip(names, body.regions, strict=True) if r == region]
            for region in sorted(set(body.regions))
        }
    if body.sigmas is not None:
        known = zip(names, body.sigmas.tolist(), strict=True)
        table["sigmas"] = {joint: s for joint, s in known if s == s}
    if body.partners:
        table["mirror"] = dict(body.partners)
    if body.aliases:
        table["aliases"] = {joint: list(names) for joint, names in body.aliases.items()}
    if body.source:
        table["source"] = body.source
    return table


def skeleton_from_category(category: Mapping[str, Any], name: str) -> Skeleton:
    """Build a skeleton from one COCO category; the shipped one where the joints are the same.

    Names are compared as `joint_key` has them, and aliases count: CrowdPose's own files say `head`.

    A COCO file carries no sigmas, and its 1-based `skeleton` is not trusted where it names
    joints that do not exist (CrowdPose files carry COCO's edges).

    Raises:
        SkeletonError: the category has no list of joint names.
    """
    joints = category.get("keypoints")
    if not isinstance(joints, list) or not joints or not all(isinstance(j, str) for j in joints):
        raise SkeletonError(f"expected joint names in the category of {name!r}, got {joints!r}")
    known = [_shipped(each) for each in skeleton_names()]
    for same in (_spelled_alike, _named_alike):
        for body in known:
            if same(body, joints):
                return body
    try:
        edges = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
    except (TypeError, ValueError, OverflowError):
        edges = ()
    if any(not (0 <= a < len(joints) and 0 <= b < len(joints)) for a, b in edges):
        edges = ()
    return Skeleton(name, tuple(joints), edges, regions=("upper",) * len(joints), source="COCO")


def _spelled_alike(body: Skeleton, joints: list[str]) -> bool:
    return body.joints == tuple(joints)


def _named_alike(body: Skeleton, joints: list[str]) -> bool:
    return len(body) == len(joints) and all(
        joint_key(theirs) in map(joint_key, (ours, *body.aliases.get(ours, ())))
        for ours, theirs in zip(body.joints, joints, strict=True)
    )


def _partners(table: Any) -> dict[str, str]:
    """Read `mirror`: a table joint = "partner", or a list of pairs."""
    pairs = table.items() if isinstance(table, Mapping) else table
    return {str(a): str(b) for a, b in pairs}


def _keypoint_category(categories: list[Any], path: Path) -> Mapping[str, Any]:
    found = [c for c in categories if isinstance(c, dict) and c.get("keypoints")]
    if len(found) != 1:
        raise SkeletonError(
            f"expected one category with `keypoints`, got {len(found)}", where=str(path)
        )
    return dict(found[0])
