"""The main job: a short list of steps over poses."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from refine.exceptions import RefineError
from refine.pipeline import steps as step_list
from refine.pipeline.config import Config

if TYPE_CHECKING:
    from refine.history import Step
    from refine.pipeline.online import Online
    from refine.poses import Poses


def run(
    poses: "Poses",
    config: Config | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> "Poses":
    """Do the main job: join fragments, complete, correct, rescore and de-duplicate poses.

    Only "join" makes one pose of two and only "suppress" removes any; their order is kept.

    Args:
        poses: of any skeleton that the weights serve; those of an image belong together, images
            may come one by one.
        config: the default does everything.
        progress: called with the number of poses done.
        options: attributes of `Config`, which win over `config`.

    Raises:
        RefineError: poses that were refined before, without `config.again`; an unknown option, or a
            value of the wrong type.
        WeightsError: the weights do not serve this skeleton.

    >>> import refine
    >>> poses = refine.Poses.from_arrays(refine.skeleton("coco17"), [[[0.0, 0.0]] * 17])
    >>> [step.name for step in refine.run(poses, steps=["suppress"], nms_threshold=0.8).history]
    ['suppress']
    """
    from refine.pipeline.context import Context

    context = Context(poses, merge(config, options), progress)
    for step in step_list.STEPS:
        if step.name in context.config.steps:
            poses = step.apply(poses, context)
    return poses


def stream(
    poses: Iterable["Poses"], config: Config | None = None, **options: Any
) -> Iterator["Poses"]:
    """Do the main job on poses as they come, one picture or batch after the other.

    What becomes of poses depends on those of their own picture alone, so they become what `run`
    makes of the whole. Nothing is kept but the weights. Steps for videos look at what came in the
    last seconds, too, and wait for what follows: images come out one by one, at most `Config.lag`
    later, and nearly as `run` would have them.

    Args:
        poses: parts; the poses of a picture come in one of them.
        config: the default does everything.
        options: attributes of `Config`, which win over `config`.

    Raises:
        RefineError: see `run`; of options at once, of poses when their turn comes; see
            `refine.pipeline.online.Online.put`.

    >>> import refine
    >>> frames = (refine.Poses.empty("coco17", [refine.ImageRef(i)]) for i in range(3))
    >>> [better.images[0].id for better in refine.stream(frames, steps=["suppress"])]
    [0, 1, 2]
    """
    merged = merge(config, options)
    if not needs_video(merged):
        return (run(part, merged) for part in poses)
    from refine.pipeline.online import Online

    return _frames(poses, Online(merged))


def _frames(poses: Iterable["Poses"], online: "Online") -> Iterator["Poses"]:
    for part in poses:
        for ref, rows in part.by_image():
            image = np.zeros(len(rows), np.intp)
            yield from online.put(part[rows].replace(images=(ref,), image=image))
    yield from online.flush()


def check_cut(config: Config) -> None:
    """Check that poses may be cut into parts: what becomes of one depends on its picture alone.

    Raises:
        RefineError: steps for videos, or pictures without a profile of the source.
    """
    if video := needs_video(config):
        raise RefineError(
            f"expected steps that look at one picture, got {', '.join(video)}: they need the video",
            hint="refine.run, or `refine run` of the whole: no --workers, --batch, --engine",
        )
    if config.pictures is None or config.profile is not None:
        return
    from refine.refiner.image.readers import is_eye

    if config.eyes_preset is not None or is_eye(config.picture_weights):
        raise RefineError(
            "expected a profile of the source, got none: without one the source is measured on "
            "the poses at hand, and those of a part are not those of the whole",
            hint="`refine profile PRED --images DIR -o source.json`, and --profile source.json",
        )


def needs_video(config: Config) -> list[str]:
    """Name the steps of a config that look at frames together."""
    return [s.name for s in step_list.STEPS if s.video and s.name in config.steps]


def merge(config: Config | None, options: dict[str, Any]) -> Config:
    """Return a config in which options win."""
    base = config or Config()
    if not options:
        return base
    table = {f.name: getattr(base, f.name) for f in fields(base)} | options
    return Config.from_table(
        {k: fspath(v) if isinstance(v, PathLike) else v for k, v in table.items()}
    )


def summarise(history: Iterable["Step"]) -> tuple[str, dict[str, int]]:
    """Say what the steps in a history did: in a sentence, and as counts by name.

    Args:
        history: of one run, each step at most once.

    Returns:
        what the steps that ran say of themselves, and all counts, 0 for usual steps that did not.

    >>> from refine.history import Step
    >>> summarise([Step("complete", {"joints": 3})])[0]
    '3 joints filled'
    """
    parameters = {step.name: step.parameters for step in history}
    ran = [s.describe(parameters[s.name]) for s in step_list.STEPS if s.name in parameters]
    counts = {
        s.count.fact: s.counted(parameters.get(s.name, {}))
        for s in step_list.STEPS
        if s.count and (not s.video or s.name in parameters)
    }
    counts |= {
        more.fact: int(parameters[s.name].get(more.parameter, 0))
        for s in step_list.STEPS
        for more in s.also
        if s.name in parameters
    }
    return ", ".join(filter(None, ran)), counts
