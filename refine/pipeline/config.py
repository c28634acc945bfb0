"""What the main job is to do."""

from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from refine._types import AreaRule, Smoothing
from refine.exceptions import RefineError
from refine.pipeline import steps as step_list
from refine.rescore import OURS, RECIPES


def step_names(*, video: bool = True) -> tuple[str, ...]:
    """Names of all steps, or of those that need no video, in the order in which they run."""
    return tuple(step.name for step in step_list.STEPS if video or not step.video)


def _usual_steps() -> tuple[str, ...]:
    return step_names(video=False)


@dataclass(frozen=True, slots=True)
class Config:
    """What `refine.run` does.

    Attributes:
        steps: out of `refine.pipeline.STEPS`, by name; they run in the order of that list. By
            default those that need no video.
        weights: name of shipped weights, or a .safetensors file.
        pictures: folder of pictures to look at again; poses without one are refined without.
        picture_weights: what looks at them: "image", "image-small", a .safetensors file, or an
            .onnx file with `eyes_preset`.
        eyes_preset: how to read an .onnx file, e.g. "vitpose".
        profile: file of `refine profile` for the source of the poses.
        flip: whether the mirrored crops are looked at, too.
        exif: whether EXIF orientation turns the pictures, as it does for who reads with cv2.
        margin: expected keypoint similarity that a move must gain.
        scores: what poses are rescored with: "blend" of expected OKS and the source's own score,
            "expected-oks" alone, the source's "own", or a recipe in `refine.rescore.RECIPES`, which
            takes the joint scores and instance scores of the source.
        calibration: file of `refine calibrate` for the source of the poses.
        nms_threshold: OKS above which the worse of two poses is removed; by default 0.9, unless
            the source was about as sure of it, see `refine.suppress`.
        merge: average duplicates into the pose that stays; by default where the poses were refined,
            so that their scores are expected similarities and can be weights.
        nms_area: what stands for a pose's size there.
        again: refine poses that were refined before.
        fps: frames per second of the video that the steps "unswap", "gaps" and "smooth" look at; by
            default as the file tells.
        smoothing: how "smooth" does: "paths", "learned", "one-euro", "savgol" or "median"; "gaps"
            is learned where "smooth" is.
        smoothing_weights: of "learned": name of shipped weights, or a .safetensors file.
        longest_gap: s, of gaps that "gaps" fills.
        retrack: whether "track" drops the tracks that poses have.
        lag: s of video by which `refine.stream` may be behind, so that it knows what follows.
        join_tracks: s over which "track" joins what it lost, by motion, size and proportions.
    """

    steps: tuple[str, ...] = field(default_factory=_usual_steps)
    weights: str = "coco17"
    pictures: str | None = None
    picture_weights: str = "image"
    eyes_preset: str | None = None
    profile: str | None = None
    flip: bool = True
    exif: bool = True
    margin: float | None = None
    scores: str = "blend"
    calibration: str | None = None
    nms_threshold: float | None = None
    merge: bool | None = None
    nms_area: AreaRule = "keypoints"
    again: bool = False
    fps: float | None = None
    smoothing: Smoothing = "paths"
    smoothing_weights: str = "pennaction13"
    longest_gap: float = 0.5
    retrack: bool = False
    lag: float = 1.0
    join_tracks: float = 0.0

    def __post_init__(self) -> None:
        known = step_names()
        if not set(self.steps) <= set(known) or len(set(self.steps)) != len(self.steps):
            raise RefineError(
                f"expected steps out of {', '.join(known)}, each once, got {list(self.steps)}"
            )
        if self.nms_threshold is not None and not 0 < self.nms_threshold <= 1:
            raise RefineError(f"expected an NMS threshold in (0, 1], got {self.nms_threshold}")
        if self.margin is not None and not 0 <= self.margin <= 1:
            raise RefineError(f"expected a margin in [0, 1], got {self.margin}")
        if not 0 <= self.lag < float("inf"):
            raise RefineError(f"expected a lag of 0 s or more, got {self.lag}")
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
        plain = {k: v.item() if hasattr(v, "item") else v for k, v in table.items()}
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$.")
            key = place.rstrip("`").partition("[")[0]
            raise RefineError(
                f"expected another value of {key!r} than {table[key]!r}: {reason.lower()}",
                hint=f"some of {', '.join(step_names())}" if key == "steps" else None,
            ) from None
