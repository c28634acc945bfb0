"""What a family of networks is: the outputs it has, how they are read, and the options of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from refine.exceptions import RefineError
from refine.geometry import Alignment
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton as find_skeleton, skeleton_names

Recipe = Literal[
    "box", "mean", "g-rmi", "ae", "box*mean", "cpn", "box*mean>0.2", "hrnet", "box+mean+max",
    "rle", "alphapose", "pifpaf", "openpose", "openpose-cpp", "openpose-matlab",
]  # fmt: skip
"""The keys of `refine.rescore.RECIPES`."""

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
"""Of people or steps: no image holds more, and room is made for them."""
Stride = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Strides = tuple[Stride, ...]
"""Input px per cell, of one grid or several."""
GREATEST = 1e9
"""Of numbers as options."""

Names = tuple[tuple[str, ...], ...]

SKELETONS = ("skeleton", "to")
"""Options that are skeletons: tables hold their name, a file, or the names of the joints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every decoder of raw outputs is told; families add to it.

    Attributes:
        skeleton: of the outputs: a `Skeleton`, its name, a file, or the names of the joints in
            the order of the outputs. What a file says of itself counts more than the preset, and
            what the caller says more than both.
    """

    skeleton: Skeleton = field(default_factory=lambda: find_skeleton("coco17"))

    recorded: ClassVar[tuple[str, ...]] = ()
    """Options that the history keeps."""
    file_names_joints: ClassVar[bool] = True
    """Whether joints that a file of crops names are those of the outputs."""

    def changed_by(self, changes: Mapping[str, Any]) -> "Options":
        """Return the options on which changes build: without what they make void."""
        return self

    def table(self) -> dict[str, Any]:
        """Return all options by name, skeletons as their names."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v.name if isinstance(v, Skeleton) else v for k, v in values.items()}

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from the defaults of the family, as `table` does."""
        plain = type(self)().table()
        return {k: v for k, v in self.table().items() if v != plain[k]}

    def history_parameters(self, raw: Any) -> dict[str, Any]:
        """Return what the history tells of decoding `raw`, besides the name of the preset."""
        return {name: getattr(self, name) for name in self.recorded}


@dataclass(frozen=True, slots=True, kw_only=True)
class CropOptions(Options):
    """Options for networks that see one crop per pose.

    Attributes:
        padding: growth of boxes where the crops are built from boxes, see `Crop.from_box`; None
            where it is not published as one factor: the file must then hold the affine.
        score: recipe of the instance score, see `instance_scores`.
        alignment: of crops built from centres or boxes; where there are maps also of their cells,
            see `Grid`.
    """

    padding: float | None = None
    score: Recipe = "box*mean"
    alignment: Alignment = "stride"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipOptions(CropOptions):
    """Options for outputs that may come with those of the mirrored input.

    Attributes:
        flip: merge the outputs of the mirrored input, if there are any.
    """

    flip: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions(FlipOptions):
    """Options for maps.

    Attributes:
        flip_shift: cells, see `merge_flipped`.
        stride: input px per cell, where the file does not give the size of the input.
        offset: px, see `Grid`.
    """

    flip_shift: float = 0.0
    stride: Stride = 4
    offset: float = 0.0


class Family(NamedTuple):
    """How outputs of one kind are read and decoded.

    Attributes:
        name: as `family` in presets.toml has it.
        outputs: type of the raw outputs.
        read: reads them from a file, and perhaps a JSON file beside it; with `names`.
        options: type of its options.
        decode: turns outputs and options into poses without a history. What it says about shapes
            that do not fit (ArrayError) becomes a FormatError of the file in `decode`.
        names: of the arrays that a file must hold, in the order in which unnamed ones come: every
            name that each goes by. Empty where nobody would know their order.
    """

    name: str
    outputs: type[Any]
    read: Callable[..., Any]
    options: type[Options]
    decode: Callable[[Any, Any], Poses]
    names: Names = ()


Some = TypeVar("Some", bound=Options)


def read_options(
    kind: type[Some], table: Mapping[str, Any], family: str, where: str | None = None
) -> Some:
    """Read the options of a family from a table whose keys are the attributes.

    Args:
        kind: of options.
        table: of presets.toml, or of Python's keyword arguments.
        family: its name, for errors.
        where: the entry, for errors.

    Raises:
        RefineError: an unknown key, or a value of the wrong type or out of its choices.
        SkeletonError: no such skeleton.

    >>> read_options(MapOptions, {"flip_shift": 1}, "heatmap").flip_shift
    1.0
    """
    known = [f.name for f in fields(kind)]
    if unknown := sorted(set(table) - set(known)):
        raise RefineError(
            f"expected an option of {family} outputs, got {', '.join(unknown)}",
            where=where,
            hint=f"one of {', '.join(known)}",
        )
    try:
        values = {key: _plain(key, value) for key, value in table.items()}
        for key, value in values.items():
            _check_numbers(key, value, family, where)
        return msgspec.convert(values, kind, dec_hook=lambda to, value: to(value))
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        key = place.rstrip("`").partition("[")[0]
        choices = _choices(get_type_hints(kind).get(key))
        wanted = "expected one of its choices" if choices else reason.partition(", got")[0].lower()
        raise RefineError(
            f"{wanted} as option {key!r} of {family} outputs, got {table.get(key)!r}",
            where=where,
            hint=f"one of {', '.join(map(str, choices))}" if choices else None,
        ) from None


def change_options(options: Some, changes: Mapping[str, Any], family: str) -> Some:
    """Return options with some changed, read as `read_options` does.

    Args:
        options: of a preset.
        changes: None leaves an option as it is, unless it is a value that differs from the
            option's default (`to` of affinity fields).
        family: its name, for errors.

    Raises:
        RefineError: see `read_options`.

    >>> change_options(MapOptions(), {"flip": False, "padding": None}, "heatmap").flip
    False
    """
    kind = type(options)
    given = {k: v for k, v in changes.items() if v is not None or _none_counts(kind, k)}
    base = options.changed_by(given)
    return read_options(kind, {f.name: getattr(base, f.name) for f in fields(kind)} | given, family)


def named_skeleton(joints: Sequence[str]) -> Skeleton:
    """Return the skeleton that ships with these joints in this order, or else make one.

    What is made has the edges of a skeleton with the same joints in another order, and no sigmas:
    skeletons that share their joints do not share these.

    Raises:
        SkeletonError: a name that stands twice.

    >>> named_skeleton(["corner_tl", "corner_br"]).joints
    ('corner_tl', 'corner_br')
    """
    names = tuple(joints)
    shipped = [find_skeleton(name) for name in skeleton_names()]
    for known in shipped:
        if known.joints == names:
            return known
    alike = next((s for s in shipped if sorted(s.joints) == sorted(names)), None)
    edges = () if alike is None else alike.edges
    at = {} if alike is None else {i: names.index(j) for i, j in enumerate(alike.joints)}
    return Skeleton(f"custom{len(names)}", names, tuple((at[a], at[b]) for a, b in edges))


def _plain(key: str, value: Any) -> Any:
    """Return a value as msgspec knows it: skeletons built, arrays as lists."""
    if key in SKELETONS and value is not None:
        listed = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        return named_skeleton(value) if listed else find_skeleton(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _check_numbers(key: str, value: Any, family: str, where: str | None) -> None:
    """Raise RefineError where an option, or a number in it, is NaN or beyond all measure."""
    for number in value if isinstance(value, list | tuple) else (value,):
        if isinstance(number, int | float) and not abs(number) <= GREATEST:
            raise RefineError(
                f"expected a number within {GREATEST:g} as option {key!r} of {family} outputs, "
                f"got {number!r:.40}",
                where=where,
            )


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return the values of the Literals in a type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for part in get_args(hint) for value in _choices(part))


def _none_counts(kind: type[Options], key: str) -> bool:
    known = {f.name: f for f in fields(kind)}
    if key not in known:
        return True
    return known[key].default is not None and NoneType in get_args(get_type_hints(kind)[key])
