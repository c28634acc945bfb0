"""The ground truth of a verb: the same options, with the same words, wherever there is one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from refine.cli._options import Input, read_image_ids, read_poses
from refine.cli._output import say

if TYPE_CHECKING:
    from refine.evaluation.ground_truth import GroundTruth
    from refine.poses import Poses
    from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth and what of it counts, as `ground_truth_options` tell.

    Attributes:
        path: COCO keypoint annotations; "" where a verb does without.
        image_ids: the images that count; None for all.
        sigmas: name or file of a skeleton with the sigmas to use, or one number.
        strict: whether poses on unknown images are refused.
        max_dets: best poses per image that count.
    """

    path: str
    image_ids: list[int | str] | None
    sigmas: str | None
    strict: bool
    max_dets: int

    def sigma_source(self) -> "Skeleton | float | None":
        """Return the skeleton whose sigmas are asked for, or one sigma for all joints."""
        from refine.exceptions import SkeletonError
        from refine.skeletons import skeleton

        if self.sigmas is None:
            return None
        try:
            value = float(self.sigmas)
        except ValueError:
            return skeleton(self.sigmas)
        if not 0 < value < float("inf"):
            raise SkeletonError(f"expected a positive sigma, got {self.sigmas}", where="--sigmas")
        return value

    def read(self, inputs: Input) -> "GroundTruth":
        """Read the annotations, and say where --skeleton does not speak of them.

        --skeleton names their joints, unless they name as many themselves, in another order; joints
        that nothing names are those of --sigmas.
        """
        from refine.evaluation.ground_truth import read_ground_truth
        from refine.skeletons import Skeleton, skeleton

        asked = skeleton(inputs.skeleton) if inputs.skeleton else None
        source = self.sigma_source()
        truth = read_ground_truth(
            self.path,
            default=source if isinstance(source, Skeleton) else None,
            asked=asked,
            category=inputs.category,
        )
        if asked is not None and asked != truth.skeleton:
            say(
                f"{self.path}: has joints of its own, {truth.skeleton.name}; those of the poses "
                f"are {asked.name}"
            )
        return truth

    def read_with_sigmas(self, inputs: Input) -> "GroundTruth":
        """Read the annotations and give their skeleton the sigmas of --sigmas."""
        truth, source = self.read(inputs), self.sigma_source()
        return truth if source is None else truth.with_sigmas(source)

    def read_predictions(
        self, path: str, persons: "GroundTruth", inputs: Input
    ) -> "tuple[Poses, list[str]]":
        """Read predictions, and say and return what of them and of the truth does not count."""
        from refine.evaluation.comparison import compare

        poses = read_poses(path, inputs, persons.skeleton, plain=True)
        compared = compare(persons, poses, self.image_ids, strict=self.strict)
        told = [*compared.warnings, *persons.warnings]
        for text in told:
            say(f"{path}: {text}")
        return poses, told


_OPTIONAL = {
    "max_dets": click.option(
        "--max-dets",
        type=int,
        default=20,
        show_default=True,
        help="Best poses per image that count.",
    ),
    "keep_going": click.option(
        "--keep-going", is_flag=True, help="Leave out poses on unknown images."
    ),
}
_ALWAYS = (
    click.option(
        "--sigmas",
        metavar="NAME|FILE|NUMBER",
        help="Other sigmas: those of a skeleton, by joint name, or one number for all joints.",
    ),
    click.option(
        "--image-ids",
        metavar="FILE[:KEY]",
        help="Only these images count: a JSON list, the list under KEY, or one id per line.",
    ),
)


def ground_truth_options(
    *names: str, argument: bool = False, required: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb --gt, --image-ids and --sigmas, as the `Truth` named `truth`.

    Args:
        names: which of "keep_going" and "max_dets" it has, too.
        argument: whether the annotations may also be its last argument.
        required: whether it needs them; where it does not, the path of `truth` may be empty.
    """

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def gather(
            *arguments: Any,
            gt: str | None,
            image_ids: str | None,
            sigmas: str | None,
            annotations: str | None = None,
            keep_going: bool = False,
            max_dets: int = 20,
            **others: Any,
        ) -> Any:
            if required and (gt is None) == (annotations is None):
                raise click.UsageError("expected the annotations once, as GT or as --gt GT")
            ids = read_image_ids(image_ids) if image_ids else None
            path = gt or annotations or ""
            strict = "keep_going" in names and not keep_going
            truth = Truth(path, ids, sigmas, strict, max_dets)
            return function(*arguments, truth=truth, **others)

        verb: Callable[..., Any] = gather
        for option in (*(_OPTIONAL[name] for name in names), *_ALWAYS):
            verb = option(verb)
        text = "The same as GT." if argument else "COCO keypoint annotations."
        needed = required and not argument
        verb = click.option("--gt", metavar="GT.json", required=needed, help=text)(verb)
        if argument:
            verb = click.argument("annotations", metavar="GT", required=False)(verb)
        return verb

    return give
