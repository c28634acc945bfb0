"""`refine train --video`: from annotated tracks to a temporal refiner."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from refine.cli._options import settings_of
from refine.cli._output import say
from refine.cli._progress import follow

if TYPE_CHECKING:
    from refine.refiner.training import Progress, Run


def train_video(
    source: tuple[str, str | None, str | None],
    output: Path,
    changes: dict[str, Any],
    run: "Run",
    progress: bool | None,
) -> dict[str, Any]:
    """Train a temporal refiner as the options of `refine train` say.

    Args:
        source: annotated tracks, of any format; their skeleton, where the file does not name it,
            and category.
        output: a .safetensors path.
        changes: to `refine.motion.learned.train.TemporalSettings`; ``fps``, and
            ``weights``, of the image-free refiner.
        run: how.
        progress: of `refine.cli._output.progress_option`.

    Returns:
        the summary.

    Raises:
        UsageError: an option that other trainings have.
        RefineError: what `refine.motion.learned.train.train_temporal` raises.
    """
    from refine.formats import read
    from refine.motion.learned.train import TemporalSettings, train_temporal
    from refine.refiner.pose.refiner import Refiner

    annotations, name, category = source
    refiner = Refiner.load(changes.pop("weights", "coco17"))
    fps = changes.pop("fps", None)
    if "statistics" in changes:
        changes["statistics"] = (changes["statistics"],)
    settings = settings_of(TemporalSettings, changes, "--video")
    say(f"reading {annotations}")
    truth = read(annotations, skeleton=name, category=category)
    say(f"{len(truth)} poses, {len(truth.images)} frames, skeleton {truth.skeleton.name}")

    def words(at: "Progress") -> str:
        return "loss {loss:.4f} nats, {blind:.4f} if all joints were alike".format(**at.figures)

    last = follow(
        lambda run: train_temporal(truth, refiner, output, settings, run, fps),
        run,
        settings.epochs,
        words,
        progress,
    )
    return (
        {} if last is None else {"weights": str(output), "epochs": last.epoch + 1, **last.figures}
    )
