"""Training of the temporal refiner, from annotated tracks alone."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Bools, Floats, Floats32, Indices
from refine.errors.statistics import ErrorStatistics, read_statistics
from refine.exceptions import RefineError
from refine.motion.arrays import Path as Paths, Seen, present
from refine.motion.frames import Track, frames_of, rate_of, tracks_of
from refine.motion.gaps import fillable
from refine.motion.jitter import LONGEST_GAP_S, filled_joints, look_at, path_of
from refine.motion.learned.network import TemporalNetwork
from refine.motion.learned.simulate import draw_lasting, err, held, retime
from refine.motion.learned.trust import trust_of
from refine.motion.learned.weights import save_weights
from refine.motion.learned.windows import show
from refine.oks import BOX_FRACTION, pose_area
from refine.poses import ImageRef, Poses
from refine.refiner.checkpoint import checkpoint_path
from refine.refiner.distributed import Process, joined_process
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import Job, Run, check_settings, train_network, warm_cosine
from refine.skeletons import Skeleton, usual_sigmas

WINDOW = 64
"""Frames of a sample."""
CUTS = 2
"""Samples that a frame is in, on average: drawing errors takes longer than learning from them."""
HELD = 12
"""One track in so many is measured on, and nothing learned from it."""
SLOWEST, FASTEST = 0.5, 3.0
"""How many frames of the source a frame of a sample may be."""
FALSE_ALARMS = 0.1
"""Greatest share of places that paths were told to leave, whatever they are worth."""
LEAST_GUESS, WORST_GUESS = 0.1, 0.5
"""Body sizes, between which it matters to such paths how wrong a place is thought to be."""
USUAL_ERROR = 0.1
"""Body sizes, of who does not know."""
FINEST = 0.003
"""Body sizes: errors below are as good as none."""
LEAST = -8.0
"""Of the logarithm of an error, for numbers that stay finite."""
CLEAN_NOISE = (0.0005, 0.05)
"""Body sizes, of tracks without errors of another kind; some have none at all."""
AGAIN = 0.6
"""Share of tracks whose paths know something of the errors, as in the second of `trust.ROUNDS`."""
MATTERS = 0.03
"""Body sizes: weight of a joint that lies where the smoother puts it anyway; others weigh more by
how much nearer or farther than the path they are, up to 0.3, as there it matters who is trusted."""
FILLED = 0.35
"""Share of tracks whose short gaps were filled before, as the step "gaps" does."""


@dataclass(frozen=True, slots=True)
class TemporalSettings:
    """How to train.

    Attributes:
        epochs: passes over the tracks, each with fresh errors.
        batch: windows of `WINDOW` frames per step, over all processes.
        width: of the network's layers.
        dilations: frames between those that a block looks at, one block each.
        rate: peak learning rate of AdamW; linear warm-up, cosine to zero.
        decay: weight decay.
        statistics: error tables of the imaginary estimators, see ``stats/``.
        refined: share of tracks that went through the image-free refiner.
        clean: share of tracks with little noise and no errors.
        seed: of everything that is drawn.
    """

    epochs: int = 40
    batch: int = 16
    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    rate: float = 2e-3
    decay: float = 1e-4
    statistics: tuple[str, ...] = (
        "lightweight-openpose",
        "posefix",
        "posenet-coral",
        "pp-tinypose-128x96-detbox",
        "pp-tinypose-128x96-gtbox",
        "pp-tinypose-256x192-detbox",
        "pp-tinypose-256x192-gtbox",
        "tfpose-mobilenet-thin",
    )
    refined: float = 0.33
    clean: float = 0.2
    seed: int = 0


class AnnotatedTrack(NamedTuple):
    """One person in a video.

    Attributes:
        xy: (T, K, 2) px, NaN where not annotated.
        visible: (T, K) joints that were seen by who annotated them.
        area: px^2 of the body.
    """

    xy: Floats
    visible: Bools
    area: float


def train_temporal(
    truth: Poses,
    refiner: Refiner,
    output: Path,
    settings: TemporalSettings | None = None,
    run: Run | None = None,
    fps: float | None = None,
) -> Path:
    """Train a temporal refiner on annotated tracks and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        truth: annotated tracks of one or many videos; scores are flags, 2 for visible joints.
        refiner: image-free, that some of the tracks go through.
        output: a .safetensors path.
        settings: what is trained.
        run: how.
        fps: frames per second of the videos; by default as the file tells.

    Raises:
        WeightsError: a checkpoint of other settings.
        FormatError: nothing to resume, images without the numbers of their frames.
        RefineError: too few tracks, no frames per second, no such device.
    """
    settings, run = settings or TemporalSettings(), run or Run()
    check_settings(settings)
    with joined_process(run.device, settings.batch, settings.seed, run.workers) as here:
        job = _TemporalJob(truth, rate_of(truth, fps), refiner, settings, here)
        last = train_network(job, here, output, run)
        if here.is_first:
            facts = {
                "settings": job.shared,
                "tracks": len(job.tracks),
                "frames": sum(len(track.xy) for track in job.tracks),
                "image_free": refiner.weights,
                **last,
            }
            save_weights(output, job.network, job.body, settings.dilations, facts)
            checkpoint_path(output).unlink(missing_ok=True)
    return output


def annotated_tracks(truth: Poses) -> list[AnnotatedTrack]:
    """Return the tracks of an annotation file that one can learn from.

    Raises:
        FormatError: images without the numbers of their frames.
    """
    out = []
    for track in tracks_of(truth, frames_of(truth)):
        frame = np.arange(track.frame[0], track.frame[-1] + 1)
        xy = np.full((len(frame), len(truth.skeleton), 2), np.nan)
        xy[track.frame - frame[0]] = truth.xy[track.rows]
        visible = np.zeros(xy.shape[:2], np.bool_)
        visible[track.frame - frame[0]] = truth.score[track.rows] >= 2
        area = float(np.median(BOX_FRACTION * pose_area(truth.xy[track.rows], "keypoints")))
        if len(frame) > 3 and visible.any() and area > 0:
            out.append(AnnotatedTrack(xy, visible & present(xy), area))
    return out


class _Sample(NamedTuple):
    """What the network is shown of a window of frames, and what it should say.

    Attributes:
        features: (`WINDOW`, F).
        error: (`WINDOW`, K) of the joints as they came, in body sizes.
        weight: (`WINDOW`, K) of joints that it is asked about.
    """

    features: Floats32
    error: Floats32
    weight: Floats32


class _TemporalJob(Job[dict[str, Tensor]]):
    network: TemporalNetwork
    clip = 1.0

    def __init__(
        self, truth: Poses, rate: float, refiner: Refiner, settings: TemporalSettings, here: Process
    ) -> None:
        self.settings, self.here, self.fps, self.refiner = settings, here, rate, refiner
        self.epochs, self.batch = settings.epochs, settings.batch
        self.shared = asdict(settings)
        self.body = replace(truth.skeleton, sigmas=usual_sigmas(truth.skeleton))
        found = annotated_tracks(truth)
        self.tracks = [t for i, t in enumerate(found) if i % HELD != HELD - 1]
        self.asides = found[HELD - 1 :: HELD]
        if len(self.tracks) < 1 or not self.asides:
            raise RefineError(
                f"expected {HELD} annotated tracks or more, got {len(found)}",
                hint="track ids, and joints with v = 2",
            )
        self.statistics = [read_statistics(name) for name in settings.statistics]
        self.network = TemporalNetwork(len(self.body), settings.width, settings.dilations)
        self.network.to(here.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        self.ahead: Future[list[_Sample]] | None = None
        self.samples: list[_Sample]
        self.aside: list[_Sample] = []

    def draw(self, epoch: int) -> int:
        self.samples = self.ahead.result() if self.ahead else self._draw(epoch)
        follows = epoch + 1 < self.epochs
        self.ahead = self.here.pool.submit(self._draw, epoch + 1) if follows else None
        return len(self.samples)

    def _draw(self, epoch: int) -> list[_Sample]:
        rng = np.random.default_rng([self.settings.seed, epoch])
        return self._samples(self.tracks, rng)

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[dict[str, Tensor]]:
        for rows in shares:
            yield self._batch([self.samples[i] for i in rows])

    def _batch(self, samples: list[_Sample]) -> dict[str, Tensor]:
        return {
            name: torch.from_numpy(np.stack([getattr(s, name) for s in samples])).to(
                self.here.device
            )
            for name in _Sample._fields
        }

    def rate(self, epoch: int, done: int, total: int) -> float:
        return warm_cosine(self.settings.rate, done, total, warm=200)

    def losses(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the negative log likelihood of errors that fall off exponentially, in nats."""
        weight, error = batch["weight"], batch["error"] + FINEST
        expected = model(batch["features"]).clamp(min=LEAST)
        count = weight.sum().clamp(min=1e-6)
        # Of a density exp(-r / s) in two dimensions the mean distance is 2 s.
        nats = 2 * expected + 2 * error * torch.exp(-expected)
        usual = torch.log((error * weight).sum() / count)
        blind = 2 * usual + 2 * error * torch.exp(-usual)
        return {
            "loss": (nats * weight).sum() / count,
            "blind": (blind * weight).sum() / count,
        }

    def held(self) -> dict[str, float]:
        if not self.aside:
            rng = np.random.default_rng(self.settings.seed)
            self.aside = self._samples(self.asides, rng) or self._shown(self.asides, False, rng)
        if not self.aside:
            return {}
        self.network.eval()
        with torch.inference_mode():
            figures = self.losses(self.network, self._batch(self.aside))
        return {f"held_{name}": float(value) for name, value in figures.items()}

    def _samples(self, tracks: list[AnnotatedTrack], rng: np.random.Generator) -> list[_Sample]:
        """Draw errors for tracks and cut what comes out into windows, in random order."""
        out: list[_Sample] = []
        # A track may come in both forms, or in none.
        for refined in (False, True):
            some = [t for t in tracks if (rng.random() < self.settings.refined) == refined]
            if some:
                out += self._shown(some, refined, rng)
        return [out[i] for i in rng.permutation(len(out))]

    def _shown(
        self, tracks: list[AnnotatedTrack], refined: bool, rng: np.random.Generator
    ) -> list[_Sample]:
        made = [self._made(track, rng) for track in tracks]
        poses = _as_poses([bad for bad, *_ in made], self.body)
        if refined:
            poses = self.refiner(poses)
        guessed, video = filled_joints(poses), np.array([r.extra["video_id"] for r in poses.images])
        frame = np.array([r.frame for r in poses.images])
        out = []
        for i, (_, true, told, rate) in enumerate(made):
            rows = np.flatnonzero(video[poses.image] == i)
            if len(rows) < 2:
                continue
            track = Track(i, -1, rows, frame[poses.image[rows]])
            whole = bool(rng.random() < 0.5)
            frames = np.arange(track.frame[0], track.frame[-1] + 1) if whole else track.frame
            seen = look_at(poses, track, rate, frames, guessed)
            path = path_of(seen, self.body)
            if rng.random() < FILLED:
                seen = _filled(seen, path)
                path = path_of(seen, self.body)
            away = np.linalg.norm(seen.xy - true[frames], axis=-1) / seen.size[:, None]
            first = path
            if rng.random() < AGAIN:
                trust = _guessed_trust(away, rng)
                path = path_of(seen._replace(variance=trust), self.body)
            columns = show(seen, path)
            asked = told[frames] & np.isfinite(away)
            missed = np.linalg.norm(first.xy - true[frames], axis=-1) / seen.size[:, None]
            weight = asked * (MATTERS + np.abs(np.nan_to_num(missed - away)).clip(0, 0.3))
            error = np.where(asked, away, 0).astype(np.float32)
            out += _windows(_Sample(columns, error, weight.astype(np.float32)), rng)
        return out

    def _made(
        self, track: AnnotatedTrack, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Bools, float]:
        """Return a track as an estimator gives it, as it is, who is asked, and its rate."""
        speed = (
            1.0 if rng.random() < 0.4 else float(np.exp(rng.uniform(*np.log([SLOWEST, FASTEST]))))
        )
        if len(track.xy) < 8 * speed:
            speed = 1.0
        true, told = retime(track.xy, speed), track.visible
        at = np.arange(0, len(track.xy) - 1 + 1e-9, speed)
        told = told[np.floor(at).astype(np.intp)] & told[np.ceil(at).astype(np.intp)]
        if rng.random() < 0.5:
            true, told = true[:, self.body.mirror] * [-1, 1], told[:, self.body.mirror]
        turn = rng.uniform(-0.3, 0.3)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        true = (true - np.nanmean(true, (0, 1))) @ spin
        size = np.sqrt(track.area)
        if rng.random() < self.settings.clean:
            noise = np.exp(rng.uniform(*np.log(CLEAN_NOISE))) * (rng.random() < 0.7)
            bad = true + rng.normal(0, 1, true.shape) * noise * size
        else:
            table: ErrorStatistics = self.statistics[rng.integers(len(self.statistics))]
            bad = err(true, track.area, draw_lasting(rng), table, self.body, rng)
        if rng.random() < 0.5:
            bad = np.where(told[..., None], bad, np.nan)
        return bad, true, told & present(true), self.fps / speed


def _filled(seen: Seen, path: Paths) -> Seen:
    gap = fillable(present(seen.xy), seen.time, LONGEST_GAP_S) & present(path.xy)
    xy = np.where(gap[..., None], path.xy, seen.xy)
    variance = None if seen.variance is None else np.where(gap, path.variance, seen.variance)
    return seen._replace(xy=xy, variance=variance)


def _guessed_trust(away: Floats, rng: np.random.Generator) -> Floats:
    """Return what somebody makes of errors (T, K) who knows them in part and at times is wrong."""
    here, joints = np.isfinite(away), np.arange(away.shape[1])
    known = np.log(np.where(here, away, USUAL_ERROR).clip(FINEST))
    share = rng.uniform(0, 1)
    blur = rng.normal(0, 0.7, away.shape)[held(away.shape, 4.0, rng), joints]
    guess = np.exp(share * known + (1 - share) * np.log(USUAL_ERROR) + np.sqrt(share) * blur)
    alarm = rng.random(away.shape) < rng.uniform(0, FALSE_ALARMS)
    guess[alarm[held(away.shape, 10.0, rng), joints]] = WORST_GUESS
    return trust_of(guess, here, passable=LEAST_GUESS, steepness=4.0, worst=WORST_GUESS)


def _as_poses(tracks: list[Floats], body: Skeleton) -> Poses:
    """Return tracks as poses, each of a video of its own; frames without a joint have none."""
    there = [np.flatnonzero(present(xy).any(1)) for xy in tracks]
    images = [
        ImageRef(f"{i}/{t}", frame=int(t), extra={"video_id": i})
        for i, frames in enumerate(there)
        for t in frames
    ]
    xy = np.concatenate([xy[frames] for xy, frames in zip(tracks, there, strict=True)])
    return Poses.from_arrays(
        body, xy, np.where(present(xy), 1.0, np.nan), image=np.arange(len(xy)), images=images
    )


def _windows(whole: _Sample, rng: np.random.Generator) -> list[_Sample]:
    """Cut a track into windows at random places; short ones are filled up with nothing."""
    frames = len(whole.features)
    if short := max(0, WINDOW - frames):
        whole = _Sample(*(np.pad(a, ((0, short), (0, 0))) for a in whole))
    starts = rng.integers(0, frames + short - WINDOW + 1, CUTS * max(1, round(frames / WINDOW)))
    return [_Sample(*(a[start : start + WINDOW] for a in whole)) for start in starts]
