"""What a step of the pipeline is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from refine.poses import Poses


class Count(NamedTuple):
    """What a step counted: a parameter in its history, its name among facts, and in words."""

    parameter: str
    fact: str
    words: str


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """A step of `refine.run`.

    Attributes:
        name: in ``--steps``, in `Config` and in histories; that of its file.
        help: what it does, a short line.
        apply: from poses and the `refine.pipeline.context.Context` of the run to poses, which tell
            of it in their history.
        learned: whether the refiner's belief went into the poses, so that the refiner should not
            see them again: their errors are not those that it was trained on.
        count: what `refine run` reports, and
        also: what it reports where there is any.
        video: whether it looks at frames together; it runs where somebody asks for it.
    """

    name: str
    help: str
    apply: Callable[["Poses", Any], "Poses"]
    learned: bool = False
    count: Count | None = None
    also: tuple[Count, ...] = ()
    video: bool = False

    def counted(self, parameters: Mapping[str, Any]) -> int:
        """Return the count in the parameters of a history entry, 0 without one."""
        return int(parameters.get(self.count.parameter, 0)) if self.count else 0

    def describe(self, parameters: Mapping[str, Any]) -> str:
        """Say in a few words what was done: ``"146 joints filled"``; empty without a count.

        Args:
            parameters: of this step's entry in a history.
        """
        told = [f"{self.counted(parameters)} {self.count.words}"] if self.count else []
        told += [f"{n} {more.words}" for more in self.also if (n := parameters.get(more.parameter))]
        return ", ".join(told)
