"""What the steps of one run share."""

from collections.abc import Callable
from functools import cached_property

from refine.calibration import Calibration, read_calibration
from refine.exceptions import RefineError
from refine.history import Step
from refine.pipeline import steps as step_list
from refine.pipeline.config import Config
from refine.poses import Poses
from refine.refiner.belief import Belief, SupportsBelief
from refine.refiner.pose.refiner import Refiner
from refine.refiner.shared import load_once


class Context:
    """Refiner, belief and calibration of one run: each is there once, when a step first asks.

    Runs of one process share the refiners.

    Args:
        poses: as the run got them.
        config: what to do.
        progress: called with the number of poses that the refiner has done.
    """

    def __init__(
        self, poses: Poses, config: Config, progress: Callable[[int], None] | None = None
    ) -> None:
        self.config = config
        self._given = poses
        self._progress = progress
        self._believed: tuple[Poses, Belief] | None = None

    @cached_property
    def pose_refiner(self) -> Refiner:
        """The image-free refiner.

        Raises:
            RefineError: the poses were refined before, and `Config.again` is not set.
            WeightsError: no such weights.
        """
        if not self.config.again:
            _check_fresh(self._given)
        return load_once(Refiner.load, self.config.weights)

    @cached_property
    def refiner(self) -> SupportsBelief:
        """The image-free refiner or, where the config names pictures, the one that sees them.

        Raises:
            RefineError, WeightsError: see `pose_refiner`.
        """
        if self.config.pictures is None:
            return self.pose_refiner
        from refine.refiner.image.refiner import ImageRefiner

        config, below = self.config, self.pose_refiner
        profile = None
        if config.profile:
            from refine.refiner.fusion.source import read_profile

            profile = read_profile(config.profile)
        return load_once(
            ImageRefiner.load,
            config.pictures,
            config.picture_weights,
            below,
            flip=config.flip,
            exif=config.exif,
            preset=config.eyes_preset,
            profile=profile,
        )

    @cached_property
    def calibration(self) -> Calibration | None:
        """What is known of the source of the poses, if anything.

        Raises:
            RefineError: not a calibration.
        """
        path = self.config.calibration
        return read_calibration(path) if path else None

    def before(self, poses: Poses) -> Poses:
        """Return the poses as the refiner saw them; as they are now, if it did not see them yet."""
        return self._believed[0] if self._believed else poses

    def believe(self, poses: Poses) -> tuple[Poses, Belief]:
        """Ask the refiner about poses, the first time; later steps get the same answer.

        Args:
            poses: N poses, the same ones each time, in the same order.

        Returns:
            the poses, with the look at their pictures on record, and what is believed of them as
            they were when first asked, calibrated where there is a calibration.

        Raises:
            RefineError: poses that were refined before, or a calibration made for others.
            WeightsError: the weights do not serve this skeleton.
        """
        if self._believed:
            return poses, self._believed[1]
        refiner, calibration = self.refiner, self.calibration
        if calibration:
            calibration.check(poses, refiner.weights)
        belief = refiner.believe(poses, self._progress)
        looked = poses
        if belief.seen is not None:
            seen = int(belief.seen.sum())
            left_out = {"unread": belief.unread, "unfit": belief.unfit}
            looked = poses.done(
                "look",
                refiner.weights,
                poses=seen,
                without_picture=len(poses) - seen,
                **{name: count for name, count in left_out.items() if count},
            )
        if calibration:
            belief = calibration.calibrate(poses, belief)
        self._believed = poses, belief
        return looked, belief


def _check_fresh(poses: Poses) -> None:
    learned = {step.name for step in step_list.STEPS if step.learned}
    before = [s.name for s in poses.history if s.name in learned and not _plain(s)]
    if before:
        raise RefineError(
            f"expected poses not refined yet, got some that went through {', '.join(before)}: "
            "a second pass is not to be trusted, the errors of refined poses are not those that "
            "the refiner was trained on",
            hint="the original predictions, or --again",
        )


def _plain(step: Step) -> bool:
    """Whether a step rescored by a published recipe, which the refiner took no part in."""
    return step.name == "rescore" and step.weights is None
