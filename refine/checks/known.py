"""All checks, in the order in which they are told."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from refine.checks import agreement, images, places, scores
from refine.checks.finding import Finding, Subject
from refine.checks.reading import read_subject
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.exceptions import SkeletonError

CHECKS: Sequence[Callable[[Subject], list[Finding]]] = (
    scores.joint_number,
    images.unknown_images,
    images.images_by_name,
    images.images_twice,
    images.wrong_categories,
    images.crowded_images,
    scores.zeros,
    scores.nulls,
    scores.score_range,
    scores.equal_scores,
    places.shares,
    places.outside,
    places.lying,
    places.exif_frame,
    places.copies,
    places.faces,
    places.collapsed,
    places.jumps,
    agreement.frames,
    agreement.shift,
    agreement.areas,
)


def check(
    path: str | Path,
    gt: str | Path | GroundTruth | None = None,
    pictures: str | Path | None = None,
    **options: Any,
) -> list[Finding]:
    """Look for what is wrong with poses that a file holds.

    Args:
        path: of any format that `refine.read` reads.
        gt: COCO keypoint annotations of the same images.
        pictures: folder of the pictures, for their sizes and EXIF.
        options: `format`, `skeleton`, `images` and `category` of `refine.read`.

    Returns:
        what was found, nothing for a clean file.

    Raises:
        FormatError: a file that cannot be read at all.
    """
    truth = None if gt is None else read_ground_truth(gt)
    try:
        subject = read_subject(path, truth, pictures, **options)
    except SkeletonError as error:
        cure = f"the same command with {error.hint or '--skeleton NAME'}"
        cause = "joints of another network or data set than the tool thinks"
        return [Finding("joints", str(error.message), cause, cure)]
    return run_checks(subject)


def run_checks(subject: Subject) -> list[Finding]:
    """Return what all checks find."""
    return [finding for one in CHECKS for finding in one(subject)]
