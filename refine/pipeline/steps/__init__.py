"""The steps of `refine.run`: one file each, and one entry in `ORDER`.

What needs the steps reads `STEPS`: `Config`, `refine run --steps` and its help, the summary. The
files import their rooms when they are applied, so that this list costs nothing.
"""

from importlib import import_module

from refine.pipeline.step import PipelineStep

ORDER = (
    "join",
    "complete",
    "correct",
    "rescore",
    "suppress",
    "track",
    "unswap",
    "gaps",
    "smooth",
)
"""Files of this folder, in the order in which they run."""

STEPS: tuple[PipelineStep, ...] = tuple(import_module(f"{__name__}.{n}").STEP for n in ORDER)
