"""Exceptions of the project: what was expected, what came, where, and what to try."""

from collections.abc import Sequence


class RefineError(Exception):
    """Base of every error that the user can mend; the command line exits with 3.

    Args:
        message: what was expected and what came.
        where: the file and the record, e.g. ``"pred.json, record 12"``.
        hint: what to try.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; try {self.hint}" if self.hint else text


class FormatError(RefineError):
    """A file that is not what its format says, or whose format cannot be told."""


class SkeletonError(RefineError):
    """A skeleton that is unknown, inconsistent or not the one expected."""


class GeometryError(RefineError):
    """A box, crop or grid that cannot be used."""


class ArrayError(RefineError, ValueError):
    """An array argument of the wrong shape, type or range."""


class WeightsError(RefineError):
    """Weights that are missing, damaged or made for another skeleton."""


class RefineWarning(UserWarning):
    """Something was counted, left out or done otherwise; the command line says it and goes on.

    Args:
        message: what, in a line.
        details: each of what was counted; the command line lists them with ``--verbose``.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)
