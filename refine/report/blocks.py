"""What the sections of a report are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from refine.checks import Finding
from refine.report.cases import Shot
from refine.report.tables import Table

Trend = Literal["better", "worse", "same"]
"""What a gain is, where its interval leaves zero out."""


class Block(Protocol):
    """A part of a section; `kind` says how the page shows it."""

    @property
    def kind(self) -> str:
        """Name in the template."""


@dataclass(frozen=True, slots=True)
class Card:
    """A figure in large: before (if there is one), now, and what to make of it."""

    name: str
    before: str
    value: str
    told: str
    trend: Trend


@dataclass(frozen=True, slots=True)
class Cards:
    """Figures in large."""

    cards: Sequence[Card]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts as SVG elements under one caption.

    The legend is of "files", of all "others" but the first, of "kinds" of errors, or "": none.
    """

    charts: Sequence[str]
    caption: str
    legend: str = "files"
    size: str = ""
    kind: ClassVar[str] = "charts"


@dataclass(frozen=True, slots=True)
class Tabular:
    """A table; of words or of figures."""

    table: Table
    caption: str
    words: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Folded:
    """Tables that are folded away."""

    tables: Sequence[Tabular]
    caption: str = "The same in figures"
    kind: ClassVar[str] = "folded"


@dataclass(frozen=True, slots=True)
class Notes:
    """Remarks."""

    notes: Sequence[str]
    kind: ClassVar[str] = "notes"


@dataclass(frozen=True, slots=True)
class Findings:
    """What `refine check` finds in a file."""

    title: str
    findings: Sequence[Finding] | None
    kind: ClassVar[str] = "findings"


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as it is shown: a title, crops, and figures in words."""

    number: int
    title: str
    told: str
    shots: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are shown for the same reason."""

    title: str
    lead: str
    cases: Sequence[CaseView]


@dataclass(frozen=True, slots=True)
class Cases:
    """Groups of cases, and what the marks on their crops mean."""

    groups: Sequence[Group]
    legend: str
    kind: ClassVar[str] = "cases"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of persons; digits are None for words."""

    title: str
    digits: int | None = None
    plus: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.digits is not None


@dataclass(frozen=True, slots=True)
class Tag:
    """A kind of rows that can be chosen."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of persons; its rows are data of the page, see `refine.report.persons`."""

    columns: Sequence[Column]
    tags: Sequence[Tag]
    caption: str
    kind: ClassVar[str] = "rows"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page: its anchor, its name in the list of sections, title and blocks."""

    name: str
    short: str
    title: str
    lead: str = ""
    blocks: Sequence[Block] = field(default_factory=list)
