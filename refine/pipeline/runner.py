"""The main job: a short list of steps over poses."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from refine._types import Floats
from refine.exceptions import RefineError
from refine.oks import AreaRule
from refine.poses import Poses, Step
from refine.rescore import OURS, RECIPES

if TYPE_CHECKING:
    from refine.refiner.belief import Belief
    from refine.refiner.pose.refiner import Refiner

StepName = Literal["join", "complete", "correct", "rescore", "suppress"]
STEPS: tuple[StepName, ...] = get_args(StepName)
LEARNED: frozenset[StepName] = frozenset({"complete", "correct", "rescore"})
"""Steps that need the refiner's last word; "rescore" only for scores of its own."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `run` does.

    Attributes:
        steps: out of `STEPS`; they run in that order.
        weights: name of shipped weights, or a .safetensors file.
        pictures: folder of pictures to look at again; poses without one are refined without.
        picture_weights: name of shipped weights of an image refiner, or a .safetensors file.
        flip: whether the mirrored crops are looked at, too.
        margin: expected keypoint similarity that a move must gain.
        scores: what poses are rescored with: "blend" of expected OKS and the source's ranking,
            "expected-oks" alone, the source's "own", or a recipe in `refine.rescore.RECIPES`,
            which takes the joint scores and instance scores of the source.
        calibration: file of `refine calibrate` for the source of the poses.
        nms_threshold: OKS above which the worse of two poses is removed.
        merge: average duplicates into the pose that stays; by default where the poses were refined,
            so that their scores are expected similarities and can be weights.
        nms_area: what stands for a pose's size there.
        again: refine poses that were refined before.
    """

    steps: tuple[StepName, ...] = STEPS
    weights: str = "coco17"
    pictures: str | None = None
    picture_weights: str = "image"
    flip: bool = True
    margin: float | None = None
    scores: str = "blend"
    calibration: str | None = None
    nms_threshold: float = 0.9
    merge: bool | None = None
    nms_area: AreaRule = "keypoints"
    again: bool = False

    def __post_init__(self) -> None:
        unknown = [s for s in self.steps if s not in STEPS]
        if unknown or len(set(self.steps)) != len(self.steps):
            raise RefineError(f"expected steps out of {', '.join(STEPS)}, got {list(self.steps)}")
        if not 0 < self.nms_threshold <= 1:
            raise RefineError(f"expected an NMS threshold in (0, 1], got {self.nms_threshold}")
        if self.margin is not None and not 0 <= self.margin <= 1:
            raise RefineError(f"expected a margin in [0, 1], got {self.margin}")
        if self.scores not in (*OURS, *RECIPES):
            raise RefineError(
                f"expected scores out of those known, got {self.scores!r}",
                hint=f"one of {', '.join((*OURS, *RECIPES))}",
            )

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> "Config":
        """Build a config from a parsed TOML table whose keys are the attributes.

        Raises:
            RefineError: an unknown key, or a value of the wrong type.
        """
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(table) - set(known)):
            raise RefineError(f"expected options out of {', '.join(known)}, got {unknown[0]!r}")
        try:
            return msgspec.convert(table, cls)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$.")
            key = place.rstrip("`").partition("[")[0]
            raise RefineError(
                f"expected another value of {key!r} than {table[key]!r}: {reason.lower()}",
                hint=f"some of {', '.join(STEPS)}" if key == "steps" else None,
            ) from None


def run(
    poses: Poses, config: Config | None = None, progress: Callable[[int], None] | None = None
) -> Poses:
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
    config = config or Config()
    learned = [s for s in STEPS if s in config.steps and s in LEARNED]
    if "join" in config.steps:
        from refine.pipeline.join import join
        from refine.refiner.pose.refiner import Refiner

        _check_fresh(poses, config)
        poses = join(poses, Refiner.load(config.weights))
    if learned:
        poses = _refine(poses, config, learned, progress)
    if "suppress" in config.steps:
        from refine.suppression import suppress

        merge = poses.score_kind == "expected_ks" if config.merge is None else config.merge
        poses = suppress(poses, threshold=config.nms_threshold, area=config.nms_area, merge=merge)
    return poses


def _refine(
    poses: Poses,
    config: Config,
    steps: list[StepName],
    progress: Callable[[int], None] | None,
) -> Poses:
    from refine.rescore import blend, expected_oks, instance_scores, rescore

    came = poses
    if config.scores == "own":
        steps = [s for s in steps if s != "rescore"]
    if "rescore" in steps and config.scores in RECIPES:
        score = instance_scores(came.score, came.instance_score, config.scores)
        if steps != ["rescore"]:
            poses = _refine(came, replace(config, scores="own"), steps, progress)
        return rescore(poses, score, recipe=config.scores)
    if not steps:
        return poses
    _check_fresh(poses, config)
    from refine.calibration import read_calibration
    from refine.refiner.apply import complete, correct, expected_similarity

    refiner = _load(config)
    calibration = read_calibration(config.calibration) if config.calibration else None
    if calibration:
        calibration.check(poses, refiner.weights)
    poses, belief, margin = _believe(refiner, poses, config, progress)
    if calibration:
        belief, margin = calibration.calibrate(poses, belief), calibration.margin
    if "complete" in steps:
        poses = complete(poses, belief, refiner.weights)
    if "correct" in steps:
        chosen = margin if config.margin is None else config.margin
        poses = correct(poses, belief, refiner.weights, chosen)
    if "rescore" in steps:
        if calibration and config.scores == "blend":
            score, recipe = calibration.instance_score(came, poses, belief), "calibrated"
        else:
            score = expected_oks(expected_similarity(came, poses, belief), belief.annotated)
            recipe = config.scores
            if recipe == "blend":
                score = blend(score, came.instance_score)
        poses = rescore(poses, score, refiner.weights, recipe)
    return poses


def _check_fresh(poses: Poses, config: Config) -> None:
    before = [s.name for s in poses.history if s.name in LEARNED and not _plain(s)]
    if before and not config.again:
        raise RefineError(
            f"expected poses not refined yet, got some that went through {', '.join(before)}: "
            "a second pass is not to be trusted, the errors of refined poses are not those that "
            "the refiner was trained on",
            hint="the original predictions, or --again",
        )


def _load(config: Config) -> "Refiner":
    if config.pictures is None:
        from refine.refiner.pose.refiner import Refiner

        return Refiner.load(config.weights)
    from refine.refiner.image.refiner import ImageRefiner

    return ImageRefiner.load(config.picture_weights, config.weights)


def _believe(
    refiner: "Refiner", poses: Poses, config: Config, progress: Callable[[int], None] | None
) -> tuple[Poses, "Belief", "float | Floats"]:
    """Return the poses with the look at their pictures on record, what is believed, the margin."""
    from refine.refiner.apply import MARGIN
    from refine.refiner.image.refiner import ImageRefiner

    if not isinstance(refiner, ImageRefiner) or config.pictures is None:
        return poses, refiner.believe(poses, progress), MARGIN
    found = refiner.look(poses, config.pictures, flip=config.flip, progress=progress)
    seen = int(found.seen.sum())
    looked = poses.done("look", refiner.weights, poses=seen, without_picture=len(poses) - seen)
    return looked, found.belief, found.margin


def _plain(step: Step) -> bool:
    """Whether a step rescored by a published recipe, which the refiner took no part in."""
    return step.name == "rescore" and step.weights is None
