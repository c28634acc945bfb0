"""Skeletons: joints, mirror pairs, edges and sigmas, all keyed by joint name."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.exceptions import SkeletonError

Quality = Literal["exact", "near", "none"]
"""How well a joint of one skeleton stands for the joint of the same name in another."""

REGIONS = ("head", "upper", "lower", "hand", "foot")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Joints of a pose and what is known about them.

    Attributes:
        name: key in the registry, e.g. ``"coco17"``.
        joints: K joint names in file order; ``left_``/``right_`` prefixes make the mirror pairs.
        edges: bones as pairs of joint indices.
        sigmas: per-joint OKS sigma (K,) float64, NaN where none is published, or None.
        regions: K entries out of `REGIONS`.
        derived: joint name -> the joints whose mean it is; such joints take no part in OKS
            or refinement and are recomputed afterwards.
        near: joints whose place differs from the joint of that name in COCO.
        stands_for: joint name -> the name under which other skeletons hold about the same point.
        source: where joints and sigmas come from.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    sigmas: Floats | None = None
    regions: tuple[str, ...] = ()
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near: frozenset[str] = frozenset()
    stands_for: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        if not self.joints:
            raise SkeletonError(f"expected at least one joint in skeleton {self.name!r}, got none")
        if len(set(self.joints)) != len(self.joints):
            twice = sorted({j for j in self.joints if self.joints.count(j) > 1})
            raise SkeletonError(f"expected unique joint names in {self.name!r}, got {twice} twice")
        k = len(self.joints)
        if self.sigmas is not None and self.sigmas.shape != (k,):
            raise SkeletonError(
                f"expected {k} sigmas in skeleton {self.name!r}, got {self.sigmas.shape}"
            )
        if any(not (0 <= a < k and 0 <= b < k) for a, b in self.edges):
            raise SkeletonError(f"expected edges between joints 0..{k - 1} in {self.name!r}")

    def __len__(self) -> int:
        return len(self.joints)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Skeleton) and self.joints == other.joints

    def __hash__(self) -> int:
        return hash(self.joints)

    def index(self, joint: str) -> int:
        """Return the index of a joint.

        Raises:
            SkeletonError: the skeleton has no such joint.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise SkeletonError(
                f"expected a joint of {self.name!r}, got {joint!r}",
                hint=f"one of {', '.join(self.joints)}",
            ) from None

    @property
    def parts(self) -> tuple[str, ...]:
        """Joint names without their side: ``("nose", "eye", "eye", ...)``."""
        return tuple(j.removeprefix("left_").removeprefix("right_") for j in self.joints)

    @property
    def mirror(self) -> Indices:
        """Index of every joint's left-right partner, (K,); its own where it has none."""
        place = {j: i for i, j in enumerate(self.joints)}
        return np.array([place.get(_mirrored(j), i) for i, j in enumerate(self.joints)], np.intp)

    @property
    def is_derived(self) -> Bools:
        """Which joints are computed from others, (K,)."""
        return np.array([j in self.derived for j in self.joints])

    def require_sigmas(self) -> Floats:
        """Return the sigmas (K,).

        Raises:
            SkeletonError: the skeleton has none, or not for every joint.
        """
        if self.sigmas is None or not np.all(np.isfinite(self.sigmas)):
            raise SkeletonError(
                f"expected OKS sigmas for every joint of {self.name!r}, got none",
                hint="a skeleton file with [sigmas], or --sigmas",
            )
        return self.sigmas

    def map_from(self, other: "Skeleton") -> tuple[Indices, tuple[Quality, ...]]:
        """Say which joint of another skeleton feeds each joint of this one, by name.

        Returns:
            indices (K,) into ``other.joints`` (-1 where it has no such joint) and the quality of
            each. A joint that is derived here takes only from one that is derived there; without
            one it is to be recomputed.

        >>> import refine
        >>> coco, openpose = refine.skeleton("coco17"), refine.skeleton("openpose18")
        >>> coco.map_from(openpose)[0].tolist()
        [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
        """
        theirs = {j: i for i, j in enumerate(other.joints)}
        for joint, alias in other.stands_for.items():
            theirs.setdefault(alias, other.joints.index(joint))
        indices: list[int] = []
        quality: list[Quality] = []
        for joint in self.joints:
            i = theirs.get(joint, theirs.get(self.stands_for.get(joint, joint), -1))
            derived = i >= 0 and other.joints[i] in other.derived
            if joint in self.derived and not derived:
                i = -1
            near = i >= 0 and (
                other.joints[i] != joint
                or derived != (joint in self.derived)
                or joint in self.near
                or joint in other.near
            )
            indices.append(i)
            quality.append("none" if i < 0 else "near" if near else "exact")
        return np.array(indices, np.intp), tuple(quality)


def skeleton(name: str | Path) -> Skeleton:
    """Look up a skeleton by name, or read one from a TOML or JSON file.

    Raises:
        SkeletonError: no such name, or the file is not a skeleton.

    >>> len(skeleton("coco17"))
    17
    """
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


def read_skeleton(path: Path) -> Skeleton:
    """Read a skeleton from a TOML or JSON table, or from the `categories` of a COCO file.

    Raises:
        SkeletonError: unreadable, or neither form.
    """
    try:
        raw = path.read_bytes()
        table = json.loads(raw) if path.suffix == ".json" else tomllib.loads(raw.decode("utf-8"))
    except (OSError, ValueError) as error:
        raise SkeletonError(
            f"expected a readable skeleton file, got {error}", where=str(path)
        ) from None
    if isinstance(table, dict) and isinstance(table.get("categories"), list):
        return skeleton_from_category(_keypoint_category(table["categories"], path), path.stem)
    if not isinstance(table, dict):
        raise SkeletonError("expected a table with a list `joints`", where=str(path))
    try:
        return skeleton_from_table(table, path.stem)
    except SkeletonError as error:
        raise SkeletonError(error.message, where=str(path), hint=error.hint) from None
    except (TypeError, ValueError, AttributeError) as error:
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
            if not isinstance(value, (int, float)) or not value > 0:
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
    for joint in (*table.get("near", ()), *table.get("stands_for", ())):
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
    )


def skeleton_from_category(category: Mapping[str, Any], name: str) -> Skeleton:
    """Build a skeleton from one COCO category; the shipped one where the joints are the same.

    A COCO file carries no sigmas, and its 1-based `skeleton` is not trusted where it names
    joints that do not exist (CrowdPose files carry COCO's edges).

    Raises:
        SkeletonError: the category has no list of joint names.
    """
    joints = category.get("keypoints")
    if not isinstance(joints, list) or not joints or not all(isinstance(j, str) for j in joints):
        raise SkeletonError(f"expected joint names in the category of {name!r}, got {joints!r}")
    for known in skeleton_names():
        if _shipped(known).joints == tuple(joints):
            return _shipped(known)
    try:
        edges = tuple((int(a) - 1, int(b) - 1) for a, b in category.get("skeleton") or ())
    except (TypeError, ValueError):
        edges = ()
    if any(not (0 <= a < len(joints) and 0 <= b < len(joints)) for a, b in edges):
        edges = ()
    return Skeleton(name, tuple(joints), edges, regions=("upper",) * len(joints), source="COCO")


def _keypoint_category(categories: list[Any], path: Path) -> Mapping[str, Any]:
    found = [c for c in categories if isinstance(c, dict) and c.get("keypoints")]
    if len(found) != 1:
        raise SkeletonError(
            f"expected one category with `keypoints`, got {len(found)}", where=str(path)
        )
    return dict(found[0])


def _mirrored(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint[5:]
    if joint.startswith("right_"):
        return "left_" + joint[6:]
    return joint
