"""The ground truth of a verb: the same options, with the same words, wherever there is one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from refine.cli._options import Input, read_image_ids

if TYPE_CHECKING:
    from refine.evaluation.ground_truth import GroundTruth
    from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth and what of it counts, as `ground_truth_options` tell.

    Attributes:
        path: COCO keypoint annotations.
        image_ids: the images that count; None for all.
        sigmas: name or file of a skeleton with the sigmas to use.
        strict: whether poses on unknown images are refused.
        max_dets: best poses per image that count.
    """

    path: str
    image_ids: list[int | str] | None
    sigmas: str | None
    strict: bool
    max_dets: int

    def sigma_source(self) -> "Skeleton | None":
        """Return the skeleton whose sigmas are asked for."""
        from refine.skeletons import skeleton

        return skeleton(self.sigmas) if self.sigmas else None

    def read(self, inputs: Input) -> "GroundTruth":
        """Read the annotations.

        Joints that the file does not name are those of --sigmas, else those of --skeleton.
        """
        from refine.evaluation.ground_truth import read_ground_truth
        from refine.skeletons import skeleton

        name = self.sigmas or inputs.skeleton
        return read_ground_truth(self.path, default=skeleton(name) if name else None)

    def read_with_sigmas(self, inputs: Input) -> "GroundTruth":
        """Read the annotations and give their skeleton the sigmas of --sigmas."""
        truth, source = self.read(inputs), self.sigma_source()
        return truth if source is None else truth.with_sigmas(source)


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
    click.option("--sigmas", metavar="NAME|FILE", help="Skeleton with other sigmas, by joint."),
    click.option(
        "--image-ids",
        metavar="FILE[:KEY]",
        help="Only these images count: a JSON list, the list under KEY, or one id per line.",
    ),
)


def ground_truth_options(
    *names: str, argument: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb --gt, --image-ids and --sigmas, as the `Truth` named `truth`.

    Args:
        names: which of "keep_going" and "max_dets" it has, too.
        argument: whether the annotations may also be its last argument.
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
            if (gt is None) == (annotations is None):
                raise click.UsageError("expected the annotations once, as GT or as --gt GT")
            ids = read_image_ids(image_ids) if image_ids else None
            truth = Truth(gt or annotations or "", ids, sigmas, not keep_going, max_dets)
            return function(*arguments, truth=truth, **others)

        verb: Callable[..., Any] = gather
        for option in (*(_OPTIONAL[name] for name in names), *_ALWAYS):
            verb = option(verb)
        text = "The same as GT." if argument else "COCO keypoint annotations."
        verb = click.option("--gt", metavar="GT.json", required=not argument, help=text)(verb)
        if argument:
            verb = click.argument("annotations", metavar="GT", required=False)(verb)
        return verb

    return give
