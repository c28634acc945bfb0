"""``refine run`` over more poses than memory holds: shards, workers, and what becomes of them."""

import sys
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from refine.cli._batch import PARTIAL, Written, expand
from refine.cli._output import say, summary, table
from refine.cli._progress import follow_poses
from refine.cli._sharding import Sharding, reading_of, shape_of
from refine.exceptions import FormatError, RefineError, RefineWarning
from refine.files import STDIO

if TYPE_CHECKING:
    from refine.cli._options import Input
    from refine.corpus.local import Outcome
    from refine.corpus.shards import Shard
    from refine.corpus.work import Job
    from refine.pipeline import Config

    Engine = Callable[[Sequence[Shard], Job], Generator[tuple[Shard, Outcome], None, None]]


class LeftOut(NamedTuple):
    """What is wrong with a shard, or with one of its files, and how many poses or files it has."""

    error: RefineError
    size: int


def refine_corpus(
    pred: Sequence[str],
    output: str,
    inputs: "Input",
    config: "Config | None",
    written: Written,
    sharding: Sharding,
    *,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Refine inputs shard by shard; without a config only their form changes.

    Raises:
        RefineError: steps or options that need the whole; bad input; an output that holds
            something else.
    """
    from refine.corpus import ledger
    from refine.corpus.storage import remove
    from refine.corpus.whole import join_parts
    from refine.pipeline.runner import check_cut

    begun = time.perf_counter()
    if config:
        check_cut(config)
    shards, job, joined = _planned(pred, output, inputs, config, written, sharding, keep_going)
    done = ledger.begin(job.output, ledger.describe(shards, job), resume=sharding.resume)
    facts = ledger.read_summary(job.output)
    errors: list[LeftOut] = []
    before = sum(each["poses_in"] for each in done.values())
    if facts is not None:
        say("all was done before")
    else:
        if done:
            say(f"{len(done)} of {len(shards)} shards were done before")
        with redirect_stdout(sys.stderr):  # Ray prints what happens to workers; that is no data.
            errors = _do(shards, job, _engine(sharding), done, written.progress)
        ledger.check_images(shards, done, joined=joined)
        facts = ledger.total(done)
        if errors and not facts["images"]:
            raise errors[0].error
        if joined:
            join_parts(job.output, [n for _, f in sorted(done.items()) for n in f["names"]], output)
            remove(job.output)
        elif not errors:
            ledger.finish(job.output, done)
        seconds = time.perf_counter() - begun
        rate = (facts["poses_in"] - before) / seconds
        say(f"{len(shards)} shards in {seconds:.1f} s, {rate:,.0f} poses/s")
    _tell(facts, len(shards), as_json, errors, output)


def _planned(
    pred: Sequence[str],
    output: str,
    inputs: "Input",
    config: "Config | None",
    written: Written,
    sharding: Sharding,
    keep_going: bool,
) -> "tuple[list[Shard], Job, bool]":
    from refine.corpus.reading import settle
    from refine.corpus.shards import plan
    from refine.corpus.storage import is_url
    from refine.corpus.work import Job
    from refine.formats.containers import check_target
    from refine.formats.known import get_format
    from refine.skeletons import skeleton

    form = get_format(written.to) if written.to else None
    if written.skeleton:
        skeleton(written.skeleton)
    shape = shape_of(output, written.to)
    if shape is None or (shape and is_url(output)):
        raise FormatError(
            "expected a folder, or the name of a file of NDJSON or Parquet, for what is done in "
            "shards",
            where=output,
            hint="-o FOLDER",
        )
    if STDIO in pred:
        raise FormatError("expected files for shards, got standard input", hint="--stream")
    places = expand(pred)
    if not is_url(output):
        check_target(output, form if shape else None)
        _check_outside(output, places)
    shards = plan(
        places,
        format=inputs.format,
        batch=sharding.batch,
        joined=bool(shape),
        lenient=keep_going,
    )
    reading = settle(shards, reading_of(inputs), lenient=keep_going)
    part = shape or None
    if form and not part and shards[0].kind == "folder" and "folder" not in form.holdings:
        part = form.ending
    folder = f"{output}.parts" if shape else output
    job = Job(
        folder, config, reading, written.to, part, written.skeleton, written.precision, keep_going
    )
    return shards, job, bool(shape)


def _engine(sharding: Sharding) -> "Engine":
    """Return who does shards."""
    if sharding.engine == "ray":
        from refine.corpus.ray import run_ray

        return partial(run_ray, workers=sharding.workers or None, address=sharding.address)
    from refine.corpus.local import core_count, run_local

    workers = core_count() if sharding.workers == 0 else sharding.workers or 1
    return partial(run_local, workers=workers)


def _check_outside(output: str, places: Sequence[str]) -> None:
    target = Path(output).resolve()
    for place in places:
        folder = Path(place).resolve()
        if folder.is_dir() and (target == folder or folder in target.parents):
            raise FormatError(
                "expected another folder than that of the inputs", where=output, hint="another -o"
            )


def _do(
    shards: "Sequence[Shard]",
    job: "Job",
    engine: "Engine",
    done: dict[int, dict[str, Any]],
    progress: bool | None,
) -> list[LeftOut]:
    """Do what is not done yet, and write down what is; return what went wrong."""
    from refine.corpus import ledger
    from refine.corpus.storage import StorageError

    errors: list[LeftOut] = []
    left = [shard for shard in shards if shard.number not in done]
    told: set[str] = set()
    try:
        with ExitStack() as stack:
            total = sum(shard.size for shard in left)
            advance = stack.enter_context(follow_poses(total, progress))
            for shard, outcome in stack.enter_context(closing(engine(left, job))):
                if isinstance(outcome, RefineError):
                    if not job.lenient or isinstance(outcome, StorageError):
                        raise outcome
                    errors.append(LeftOut(outcome, shard.size))
                    say(f"left out: {outcome}")
                else:
                    errors += [LeftOut(RefineError(**fact), 1) for fact in outcome["left_out"]]
                    if not outcome["left_out"]:
                        ledger.mark(job.output, shard.number, outcome)
                    done[shard.number] = outcome
                    _warn(outcome["warnings"], told)
                advance(shard.size)
    except BaseException:
        if done:
            say(
                f"{len(done)} of {len(shards)} shards are done and kept in {job.output}: --resume "
                "goes on from there"
            )
        else:
            ledger.forget(job.output)
        raise
    return errors


def _warn(found: Sequence[dict[str, Any]], told: set[str]) -> None:
    for each in found:
        if each["message"] not in told:
            told.add(each["message"])
            warnings.warn(RefineWarning(each["message"], each["details"]), stacklevel=2)


def _tell(
    facts: dict[str, Any],
    shards: int,
    as_json: bool,
    errors: Sequence[LeftOut],
    output: str,
) -> None:
    from refine.corpus.work import as_facts
    from refine.formats._losses import tell_losses
    from refine.formats.known import get_format
    from refine.pipeline import steps as step_list

    counts = facts["counts"]
    parts = [
        f"{counts.get(step.count.fact, 0)} {step.count.words}"
        for step in step_list.STEPS
        if step.count and step.name in facts.get("steps", ())
    ]
    outcome = f": {', '.join(parts)}" if parts else ""
    say(f"{facts['poses_in']} poses on {facts['images']} images{outcome}")
    for note in facts["notes"]:
        say(note)
    if facts["lost"]:
        say(f"{output}: {tell_losses(facts['lost'], get_format(facts['format']))}")
    seen = facts.pop("seen")
    if seen:
        say(
            f"{seen['poses_seen']} poses looked at in their pictures; "
            f"{seen['poses_unseen']} without a picture were refined without"
        )
    partial = bool(seen.get("pictures_unread") or seen.get("pictures_unfit"))
    if errors:
        rows = [[e.where or "", size, e.message] for e, size in errors]
        say(table(["left out", "poses or files", "why"], rows), least=-1)
    if as_json:
        left_out = [{**as_facts(error), "size": size} for error, size in errors]
        facts |= {**facts.pop("counts"), **seen, "shards": shards, "left_out": left_out}
        summary(facts, data_on_stdout=False)
    if errors or partial:
        raise click.exceptions.Exit(PARTIAL)
