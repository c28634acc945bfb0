"""`refine train --eyes`: from annotated pictures and predictions to the fusion of an eye."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from refine.cli._options import settings_of
from refine.cli._output import say
from refine.cli._progress import follow, is_first

if TYPE_CHECKING:
    from refine.refiner.training import Progress, Run


def train_fusion_of(
    eyes: str,
    sets: list[dict[str, Any]],
    output: Path,
    changes: dict[str, Any],
    run: "Run",
    progress: bool | None,
) -> dict[str, Any]:
    """Train the fusion of an eye as the options of `refine train` say.

    Args:
        eyes: name or file of the eye's weights.
        sets: as of `refine.refiner.image.annotations.read_sets`.
        output: a .safetensors path.
        changes: to `refine.refiner.fusion.train.FusionSettings`; ``eyes_preset``, the preset of an
            .onnx file, and ``weights``, of the image-free refiner.
        run: how.
        progress: of `refine.cli._output.progress_option`.

    Returns:
        the summary.

    Raises:
        UsageError: an option that other trainings have.
        RefineError: what `refine.refiner.fusion.train.train_fusion` raises.
    """
    from refine.refiner.eyes.eye import load_eye
    from refine.refiner.fusion.train import FusionSettings, train_fusion
    from refine.refiner.image.fusion_data import read_fusion_data
    from refine.refiner.pose.refiner import Refiner

    refiner = Refiner.load(changes.pop("weights", "coco17"))
    eye = load_eye(eyes, changes.pop("eyes_preset", None))
    settings = settings_of(FusionSettings, changes, "--eyes")
    seen = {"poses": 0}

    def report(name: str, count: int) -> None:
        seen["poses"] += count
        if is_first():
            say(f"{eye.name} has looked at {count} poses of {name}")

    data = read_fusion_data(sets, eye, refiner, report)

    def words(at: "Progress") -> str:
        if "nats" in at.figures:
            return f"likelihood: {at.figures['nats']:.3f} nats per joint"
        return "loss {loss:.4f}  gain in similarity {gain:.3f} of {possible:.3f}".format(
            **at.figures
        )

    last = follow(
        lambda run: train_fusion(data, refiner, output, settings, run),
        run,
        settings.epochs,
        words,
        progress,
    )
    facts = {
        "weights": str(output),
        "eye": eye.name,
        "persons": sum(len(s.truth) for s in data.persons),
        "sources": len(data.sources),
        "poses": seen["poses"],
    }
    return facts | ({"epochs": last.epoch + 1, **last.figures} if last else {})
