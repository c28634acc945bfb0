"""The skeleton of a pose: joints, mirror pairs, edges and sigmas, all keyed by joint name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

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
        joints: K joint names in file order, compared as `joint_key` has them; left and right in
            any place of the name make the mirror pairs.
        edges: bones as pairs of joint indices.
        sigmas: per-joint OKS sigma (K,) float64, NaN where none is published, or None.
        regions: K entries out of `REGIONS`.
        derived: joint name -> the joints whose mean it is; such joints take no part in OKS
            or refinement and are recomputed afterwards.
        near: joints whose place differs from the joint of that name in COCO.
        stands_for: joint name -> the name under which other skeletons hold about the same point.
        source: where joints and sigmas come from.
        partners: joint name -> its left-right partner, where the names do not tell.
        aliases: joint name -> other names of it in files of this skeleton.
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
    partners: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        return tuple(split_side(joint)[1] for joint in self.joints)

    @property
    def mirror(self) -> Indices:
        """Index of every joint's left-right partner, (K,); its own where it has none."""
        place = {joint_key(j): i for i, j in enumerate(self.joints)}
        out = [place.get(_mirrored(j), i) for i, j in enumerate(self.joints)]
        for a, b in self.partners.items():
            out[self.index(a)], out[self.index(b)] = self.index(b), self.index(a)
        return np.array(out, np.intp)

    @property
    def is_derived(self) -> Bools:
        """Which joints are computed from others, (K,)."""
        return np.array([j in self.derived for j in self.joints])

    def require_sigmas(self, *, derived: bool = True) -> Floats:
        """Return the sigmas (K,).

        Args:
            derived: whether derived joints need one, too; else theirs may be NaN.

        Raises:
            SkeletonError: the skeleton has none, or not for every joint that needs one.
        """
        free = np.zeros(len(self), np.bool_) if derived else self.is_derived
        if self.sigmas is None or not np.all(np.isfinite(self.sigmas) | free):
            raise SkeletonError(
                f"expected OKS sigmas for every joint of {self.name!r}, got none",
                hint="--sigmas with a skeleton that ships, a file with [sigmas] or one number",
            )
        return self.sigmas

    def with_sigmas(self, chosen: "Floats | float | Skeleton") -> "Skeleton":
        """Return a copy with other OKS sigmas: (K,), one for all, or a skeleton's by joint name.

        Raises:
            SkeletonError: not one positive sigma for every joint.
        """
        if isinstance(chosen, Skeleton):
            values, name = chosen.sigmas, chosen.name
            values = np.full(len(chosen), np.nan) if values is None else values
            values = self.take(values[None], chosen._spelled_as(self))[0]
        else:
            values, name = np.asarray(chosen, np.float64), "the caller"
            values = values if values.ndim else np.full(len(self), values)
        if values.shape != (len(self),):
            raise SkeletonError(
                f"expected {len(self)} sigmas for {self.name!r}, got shape {values.shape}"
            )
        good = np.isfinite(values) & (values > 0)
        if not good.all():
            bad = [j for j, ok in zip(self.joints, good, strict=True) if not ok]
            raise SkeletonError(
                f"expected a positive sigma from {name} for every joint, not {bad}",
                hint="one number for all joints, or a skeleton file with [sigmas]",
            )
        return replace(self, sigmas=values)

    def _spelled_as(self, other: "Skeleton") -> "Skeleton":
        """Give joints that another skeleton lacks that of their aliases that it has."""
        theirs = set(map(joint_key, other.joints))

        def name(joint: str) -> str:
            known = [] if joint_key(joint) in theirs else self.aliases.get(joint, ())
            return next((alias for alias in known if joint_key(alias) in theirs), joint)

        return replace(self, joints=tuple(map(name, self.joints)))

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
        # Where two joints of one skeleton differ in spelling alone, spelling counts.
        key = joint_key if _are_distinct(self) and _are_distinct(other) else str
        theirs = {key(joint): i for i, joint in enumerate(other.joints)}
        for joint, alias in other.stands_for.items():
            theirs.setdefault(key(alias), other.joints.index(joint))
        indices: list[int] = []
        quality: list[Quality] = []
        for joint in self.joints:
            alias = self.stands_for.get(joint, joint)
            i = theirs.get(key(joint), theirs.get(key(alias), -1))
            derived = i >= 0 and other.joints[i] in other.derived
            if joint in self.derived and not derived:
                i = -1
            near = i >= 0 and (
                key(other.joints[i]) != key(joint)
                or derived != (joint in self.derived)
                or joint in self.near
                or other.joints[i] in other.near
            )
            indices.append(i)
            quality.append("none" if i < 0 else "near" if near else "exact")
        return np.array(indices, np.intp), tuple(quality)

    def take(self, values: npt.NDArray[Any], other: "Skeleton") -> Floats:
        """Put values of another skeleton's joints in the order of this one, by name.

        Args:
            values: (N, J, ...), one entry per joint of `other`.
            other: the J joints that they belong to.

        Returns:
            (N, K, ...) float64; NaN where `other` has no such joint, see `map_from`.

        Raises:
            SkeletonError: no joint is shared.

        >>> a, b = Skeleton("a", ("head", "foot")), Skeleton("b", ("foot", "hand"))
        >>> b.take(np.array([[1.0, 2.0]]), a).tolist()
        [[2.0, nan]]
        """
        if self == other:
            return np.asarray(values, np.float64)
        index, _ = self.map_from(other)
        has = index >= 0
        if not has.any():
            raise SkeletonError(
                f"expected a skeleton that shares joints with {other.name!r}, got {self.name!r}"
            )
        out = np.full((len(values), len(self), *values.shape[2:]), np.nan)
        out[:, has] = values[:, index[has]]
        return out


_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_OTHER = {"left": "right", "right": "left"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+|[^\W_]")
_SYNONYMS = {"tophead": "headtop", "topofhead": "headtop"}


@cache
def split_side(joint: str) -> tuple[str, str]:
    """Split a joint name into its side, "left", "right" or "", and the rest in lower case.

    The side is a word `left`, `right`, `l` or `r` in any place; words end at blanks, `-`, `_` and
    where capitals begin, and `left` and `right` may be glued to either end.

    >>> [split_side(n) for n in ("left_eye", "Right Shoulder", "ankle-L", "lefteye", "nose")]
    [('left', 'eye'), ('right', 'shoulder'), ('left', 'ankle'), ('left', 'eye'), ('', 'nose')]
    """
    words = [word.lower() for word in _WORDS.findall(joint)]
    sides = [i for i, word in enumerate(words) if word in _SIDES]
    if len(sides) == 1 and len(words) > 1:
        return _SIDES[words.pop(sides[0])], "_".join(words)
    for side in () if sides else _OTHER:
        for i in {0, len(words) - 1} if words else ():
            rest = words[i].removeprefix(side) if not i else words[i]
            rest = words[i].removesuffix(side) if rest == words[i] and i else rest
            if rest and rest != words[i]:
                return side, "_".join([*words[:i], rest, *words[i + 1 :]])
    return "", "_".join(words)


@cache
def joint_key(joint: str) -> str:
    """Return what two spellings of a joint share.

    Case, blanks, `-`, `_` and the place of the side do not count.

    >>> joint_key("Right Shoulder") == joint_key("shoulder_r") == joint_key("rightShoulder")
    True
    """
    side, rest = split_side(joint)
    rest = rest.replace("_", "")
    return f"{side} {_SYNONYMS.get(rest, rest)}".strip() or joint


def _are_distinct(body: Skeleton) -> bool:
    return len(set(map(joint_key, body.joints))) == len(body)


def _mirrored(joint: str) -> str:
    side, key = split_side(joint)[0], joint_key(joint)
    return key.replace(side, _OTHER[side], 1) if side else key
