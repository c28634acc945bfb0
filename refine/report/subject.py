"""What a report is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from refine.checks import Finding
from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.parts import Options
from refine.poses import Poses


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """Predictions of one file.

    Attributes:
        path: of the file.
        name: what tells it from the others of the report, short.
        poses: as read.
        sha256: of its bytes, "" where unknown.
        findings: of `refine check`; None where it did not look.
        notes: what was said when it was read.
    """

    path: str
    name: str
    poses: Poses
    sha256: str = ""
    findings: Sequence[Finding] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a report is about.

    Attributes:
        files: at least one; the others are compared with the first.
        truth: annotated persons, or None.
        truth_sha256: of their file, "" where unknown.
        options: which of them count, as `refine.evaluate` takes them.
        pictures: folder, or None.
        exif: whether EXIF orientation is applied to them.
        cases: most persons that are shown.
        fps: frames per second of a video, where the files do not tell.
        command: that made the report.
        made: when.
    """

    files: Sequence[File]
    truth: GroundTruth | None = None
    truth_sha256: str = ""
    options: Options = field(default_factory=Options)
    pictures: str | None = None
    exif: bool = True
    cases: int = 60
    fps: float | None = None
    command: str = ""
    made: str = ""
