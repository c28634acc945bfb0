"""How often keypoint errors happen, and how far off they are; the tables are ``stats/*.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Floats, Indices
from refine.evaluation.kinds import GOOD, KINDS
from refine.exceptions import ArrayError, FormatError
from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True)
class Omission:
    """How an estimator leaves joints of a person out.

    A joint is left out where a normal variable falls below the quantile of its rate. The variable
    is a sum of independent ones, shared by the whole body, by a limb (see
    `refine.errors.sources.limbs`), by a mirror pair, and its own; their loadings' squares sum to 1.

    Attributes:
        rates: part or region -> rates of leaving out a hidden (v = 1) and a visible joint (v = 2).
        unlabelled: rate of giving a joint that no annotator marked.
        body: loading of what the whole body shares, its size included.
        limb: loading of what a limb shares.
        mirror: loading of what a mirror pair shares.
        size_exponent: omissions grow as area ** -size_exponent.
    """

    rates: Mapping[str, tuple[float, float]]
    unlabelled: float
    body: float
    limb: float
    mirror: float
    size_exponent: float

    def rates_for(self, skeleton: Skeleton) -> Floats:
        """Return the rates of hidden and of visible joints, (2, K).

        Raises:
            FormatError: there is no rate for some joint's part, nor for its region.
        """
        return np.array(_by_part(self.rates, skeleton, "omission")).T


@dataclass(frozen=True, slots=True)
class Scores:
    """What keypoint scores tell, as normal quantiles of their ranks among all of the source.

    Attributes:
        kinds: kind of error, "unlabelled" or "background" -> mean and standard deviation.
        auc: chance that a good joint scores higher than a wrong one.
        correlation: of scores with keypoint similarities of labelled joints.
        hidden: by how much visible joints score above hidden ones of the same kind.
        pose_share: share of the variance within kinds that a pose's joints have in common.
    """

    kinds: Mapping[str, tuple[float, float]]
    auc: float
    correlation: float
    hidden: float
    pose_share: float


@dataclass(frozen=True, slots=True)
class Instances:
    """Poses that are not one whole person, as numbers a person found.

    Attributes:
        missed: persons not found, a person.
        background: false positives.
        duplicate: poses that repeat a person who was found.
        fragment: poses that are a piece of a person, whose rest another pose or none has.
    """

    missed: float
    background: float
    duplicate: float
    fragment: float


@dataclass(frozen=True, slots=True)
class ErrorStatistics:
    """Rates and distances of keypoint errors, for any skeleton.

    A band is written by its last count, except for the open last one: limits ``(5, 10, 15)``
    make 4 bands.

    Attributes:
        name: e.g. ``"posefix"``.
        source: where the numbers come from.
        joints: how many joints `visible` counts out of; scaled to the skeleton at hand.
        visible: limits of the V bands of visible joints of the person.
        overlap: limits of the O bands of overlapping persons.
        rates: error kind -> part or region -> (V, O). A part is a joint's name without its side
            and comes before its region (`refine.skeletons.REGIONS`).
        similarity: kind -> Q keypoint similarities, falling, at equal steps of probability: the
            quantiles of the distance from the point mistaken for the joint; in between, the
            distance is uniform.
        neighbour_iou: box IoU from which two persons overlap.
        severity: factor on the odds of every error against good.
        size_exponent: measured errors grow as area ** -size_exponent.
        omission: how joints are left out, None where none is or it was not measured.
        scores: what keypoint scores tell, None where there are none.
        instances: poses that are not one whole person, None where they were not measured.
        counts: how much was measured: images, poses, persons, joints, ...
        command: that measured them, without folders.
    """

    name: str
    source: str
    joints: int
    visible: tuple[int, ...]
    overlap: tuple[int, ...]
    rates: Mapping[str, Mapping[str, Floats]]
    similarity: Mapping[str, tuple[float, ...]]
    neighbour_iou: float
    severity: float = 1.0
    size_exponent: float = 0.0
    omission: Omission | None = None
    scores: Scores | None = None
    instances: Instances | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    command: str = ""

    def scaled(self, factor: float) -> "ErrorStatistics":
        """Multiply the odds of every error against good; small rates grow by about the factor.

        Raises:
            ArrayError: a negative factor.

        >>> import refine
        >>> harsher = read_statistics("posefix").scaled(3)
        >>> harsher.rates_for(refine.skeleton("coco17"))[:, 0, 3, 0].round(3).tolist()
        [0.672, 0.234, 0.023, 0.023, 0.047]
        """
        if not 0 <= factor < np.inf:
            raise ArrayError(f"expected a factor of at least 0, got {factor}")
        return replace(self, severity=self.severity * factor)

    def rates_for(self, skeleton: Skeleton) -> Floats:
        """Return the probability of every kind (5, K, V, O), summing to 1 over the kinds.

        Raises:
            FormatError: there is no rate for some joint's part, nor for its region, or the errors
                of a joint sum to more than 1.
        """
        shape = (len(skeleton), len(self.visible) + 1, len(self.overlap) + 1)
        rates = np.zeros((len(KINDS), *shape))
        for kind, table in self.rates.items():
            where = f"error statistics {self.name!r}"
            rates[KINDS.index(kind)] = _by_part(table, skeleton, kind, where)
        rates[GOOD] = 1 - rates.sum(0)
        worst = int(rates[GOOD].min((1, 2)).argmin())
        if rates[GOOD, worst].min() < -1e-9:
            raise FormatError(
                "expected error rates that sum to at most 1, "
                f"got {1 - rates[GOOD, worst].min():.3g} for {skeleton.joints[worst]!r}",
                where=f"error statistics {self.name!r}",
            )
        rates[GOOD] = rates[GOOD].clip(0)
        rates[1:] *= self.severity
        return np.asarray(rates / rates.sum(0))

    def bands(self, visible: Indices, overlap: Indices, joints: int) -> tuple[Indices, Indices]:
        """Return the band of visible joints and the band of overlap of N persons.

        Args:
            visible: (N,) number of visible joints.
            overlap: (N,) number of overlapping persons.
            joints: how many joints `visible` counts out of.

        >>> posefix = read_statistics("posefix")
        >>> [b.tolist() for b in posefix.bands(np.array([5, 6, 17]), np.array([0, 1, 3]), 17)]
        [[0, 1, 3], [0, 1, 2]]
        """
        limits = np.array(self.visible) * joints / self.joints
        return np.searchsorted(limits, visible), np.searchsorted(np.array(self.overlap), overlap)

    def distances(self) -> Floats:
        """Return the quantiles (5, Q) of the distance in units of sqrt(area) * 2 * sigma.

        >>> from refine.evaluation.kinds import MISS
        >>> read_statistics("posefix").distances()[MISS].round(4).tolist()
        [1.1774, 2.146]
        """
        return np.asarray(np.sqrt(-2 * np.log([self.similarity[kind] for kind in KINDS])))


def _by_part(
    table: Mapping[str, Any], skeleton: Skeleton, kind: str, where: str | None = None
) -> list[Any]:
    """Return the entry of every joint's part, else of its region."""
    found = []
    regions = skeleton.regions or ("upper",) * len(skeleton)
    for part, region in zip(skeleton.parts, regions, strict=True):
        if part not in table and region not in table:
            raise FormatError(
                f"expected a rate of {kind} for {part!r} or its region {region!r}, "
                f"got only {', '.join(table)}",
                where=where,
            )
        found.append(table.get(part, table.get(region)))
    return found


@cache
def statistics_names() -> tuple[str, ...]:
    """Names of the statistics that ship, sorted."""
    return tuple(sorted(f.name[:-5] for f in _folder().iterdir() if f.name.endswith(".toml")))


def read_statistics(name: str | Path) -> ErrorStatistics:
    """Look up error statistics by name, or read them from a TOML file.

    Raises:
        FormatError: no such name, or the file is not what it should be.

    >>> read_statistics("posefix").visible
    (5, 10, 15)
    """
    text = str(name)
    if text in statistics_names():
        return _parse((_folder() / f"{text}.toml").read_bytes(), text)
    path = Path(text)
    if path.suffix != ".toml":
        raise FormatError(
            f"expected the name of error statistics or a .toml file, got {text!r}",
            hint=f"one of {', '.join(statistics_names())}",
        )
    try:
        return _parse(path.read_bytes(), text)
    except OSError as error:
        raise FormatError(f"expected a readable file, got: {error.strerror}", where=text) from None


def _folder() -> Traversable:
    """In a wheel the tables lie inside the package, in a checkout beside it."""
    package = resources.files("refine")
    inside = package / "stats"
    return inside if inside.is_dir() else Path(str(package)).parent / "stats"


def _parse(data: bytes, where: str) -> ErrorStatistics:
    try:
        return statistics_from_table(tomllib.loads(data.decode("utf-8")))
    except ValueError as error:
        raise FormatError(f"expected TOML, got: {error}", where=where) from None
    except FormatError as error:
        raise FormatError(error.message, where=where, hint=error.hint) from None


def statistics_from_table(table: Mapping[str, Any]) -> ErrorStatistics:
    """Build error statistics from a parsed TOML table (see ``stats/posefix.toml``).

    Raises:
        FormatError: an entry is missing, or is not what it should be.
    """
    bands = _entry(table, "bands", dict)
    visible, overlap = (_limits(bands, which) for which in ("visible", "overlap"))
    joints = _entry(bands, "joints", int)
    if joints < 1:
        raise FormatError(f"expected at least 1 joint in bands.joints, got {joints}")
    shape = (len(visible) + 1, len(overlap) + 1)
    rates = {kind: _rates(table, kind, shape) for kind in KINDS[1:]}
    similarity = {kind: _quantiles(_entry(table, "similarity", dict), kind) for kind in KINDS}
    if len({len(quantiles) for quantiles in similarity.values()}) > 1:
        raise FormatError("expected as many similarities of every kind")
    iou = _entry(table, "neighbour_iou", float)
    if not 0 < iou <= 1:
        raise FormatError(f"expected neighbour_iou in (0, 1], got {iou}")
    name, source = _entry(table, "name", str), _entry(table, "source", str)
    return ErrorStatistics(
        name,
        source,
        joints,
        visible,
        overlap,
        rates,
        similarity,
        iou,
        size_exponent=_number(table, "size_exponent", 0.0),
        omission=_optional(table, "omission", Omission, "rates"),
        scores=_optional(table, "scores", Scores, "kinds"),
        instances=_optional(table, "instances", Instances),
        counts={key: _entry(table["counts"], key, int) for key in table.get("counts", {})},
        command=_entry({"command": "", **table}, "command", str),
    )


def _optional(table: Mapping[str, Any], key: str, kind: type, pairs: str = "") -> Any:
    """Read a section that need not be there; `pairs` names its table of pairs of numbers."""
    if key not in table:
        return None
    section = _entry(table, key, dict)
    found: dict[str, Any] = {}
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        if name == pairs:
            found[name] = {}
            for part, value in _entry(section, name, dict).items():
                pair = _floats(value, f"{key}.{name}.{part}")
                if pair.shape != (2,) or not np.isfinite(pair).all():
                    raise FormatError(f"expected two numbers in {key}.{name}.{part}, got {value}")
                found[name][part] = tuple(pair.tolist())
        else:
            found[name] = _number(section, name)
    return kind(**found)


def _number(table: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise FormatError(f"expected a finite number in {key!r}, got {value!r}")
    return float(value)


def _entry(table: Mapping[str, Any], key: str, kind: type) -> Any:
    value = table.get(key)
    if not isinstance(value, kind):
        raise FormatError(f"expected an entry {key!r} ({kind.__name__}), got {value!r}")
    return value


def _limits(bands: Mapping[str, Any], which: str) -> tuple[int, ...]:
    limits = _entry(bands, which, list)
    if not all(type(x) is int for x in limits) or sorted(set(limits)) != limits:
        raise FormatError(f"expected rising whole numbers in bands.{which}, got {limits}")
    return tuple(limits)


def _quantiles(table: Mapping[str, Any], kind: str) -> tuple[float, ...]:
    values = _floats(_entry(table, kind, list), f"similarity.{kind}")
    falling = values.ndim == 1 and len(values) > 1 and (np.diff(values) <= 0).all()
    if not falling or not 0 < values[-1] <= values[0] <= 1:
        raise FormatError(
            f"expected two or more falling numbers in (0, 1] in similarity.{kind}, "
            f"got {values.tolist()}"
        )
    return tuple(values.tolist())


def _rates(table: Mapping[str, Any], kind: str, shape: tuple[int, int]) -> dict[str, Floats]:
    found = {}
    for part, value in _entry(table, kind, dict).items():
        rate = _floats(value, f"{kind}.{part}")
        rate = rate[:, None] if rate.ndim == 1 else rate
        if rate.ndim and rate.shape not in (shape, (shape[0], 1)):
            raise FormatError(
                f"expected one rate, {shape[0]} rates, or {shape[0]} rows of {shape[1]} "
                f"in {kind}.{part}, got {value}"
            )
        if not ((rate >= 0) & (rate <= 1)).all():
            raise FormatError(f"expected rates in [0, 1] in {kind}.{part}, got {value}")
        found[part] = np.broadcast_to(rate, shape)
    return found


def _floats(value: object, where: str) -> Floats:
    try:
        return np.array(value, np.float64)
    except (TypeError, ValueError):
        raise FormatError(f"expected numbers in {where}, got {value!r}") from None
