"""The skeleton of a pose: joints, mirror pairs, edges and sigmas, all keyed by joint name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
                hint="a skeleton file with [sigmas], or --sigmas",
            )
        return self.sigmas

    def with_sigmas(self, chosen: "Floats | Skeleton") -> "Skeleton":
        """Return a copy with other OKS sigmas: (K,), or those of a skeleton by joint name.

        Raises:
            SkeletonError: not one positive sigma for every joint.
        """
        if isinstance(chosen, Skeleton):
            values, name = chosen.sigmas, chosen.name
            values = np.full(len(chosen), np.nan) if values is None else values
            values = self.take(values[None], chosen)[0]
        else:
            values, name = np.asarray(chosen, np.float64), "the caller"
        if values.shape != (len(self),):
            raise SkeletonError(
                f"expected {len(self)} sigmas for {self.name!r}, got shape {values.shape}"
            )
        good = np.isfinite(values) & (values > 0)
        if not good.all():
            bad = [j for j, ok in zip(self.joints, good, strict=True) if not ok]
            raise SkeletonError(f"expected a positive sigma from {name} for every joint, not {bad}")
        return replace(self, sigmas=values)

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


def _mirrored(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint[5:]
    if joint.startswith("right_"):
        return "left_" + joint[6:]
    return joint
