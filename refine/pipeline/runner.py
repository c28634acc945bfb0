"""The main job: a short list of steps over poses."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from refine.pipeline import steps as step_list
from refine.pipeline.config import Config

if TYPE_CHECKING:
    from refine.poses import Poses, Step


def run(
    poses: "Poses", config: Config | None = None, progress: Callable[[int], None] | None = None
) -> "Poses":
    """Do the main job: join fragments, complete, correct, rescore and de-duplicate poses.

    Only "join" makes one pose of two and only "suppress" removes any; their order is kept.

    Args:
        poses: of any skeleton that the weights serve; scores are ranked over all, so pass whole
            files.
        config: the default does everything.
        progress: called with the number of poses done.

    Raises:
        RefineError: poses that were refined before, without `config.again`.
        WeightsError: the weights do not serve this skeleton.

    >>> import refine
    >>> poses = refine.Poses.from_arrays(refine.skeleton("coco17"), [[[0.0, 0.0]] * 17])
    >>> [step.name for step in refine.run(poses, Config(steps=("suppress",))).history]
    ['suppress']
    """
    from refine.pipeline.context import Context

    context = Context(poses, config or Config(), progress)
    for step in step_list.STEPS:
        if step.name in context.config.steps:
            poses = step.apply(poses, context)
    return poses


def summarise(history: Iterable["Step"]) -> tuple[str, dict[str, int]]:
    """Say what the steps in a history did: in a sentence, and as counts by name.

    Args:
        history: of one run, each step at most once.

    Returns:
        what the steps that ran say of themselves, and all counts, 0 for steps that did not run.

    >>> from refine.poses import Step
    >>> summarise([Step("complete", {"joints": 3})])[0]
    '3 joints filled'
    """
    parameters = {step.name: step.parameters for step in history}
    ran = [s.told(parameters[s.name]) for s in step_list.STEPS if s.name in parameters]
    counts = {
        s.count.fact: s.counted(parameters.get(s.name, {})) for s in step_list.STEPS if s.count
    }
    return ", ".join(filter(None, ran)), counts
