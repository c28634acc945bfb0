import os
import threading
import time

import numpy as np
import pytest

from refine.pipeline import run
from refine.poses import Poses
from refine.refiner.pose.refiner import Refiner
from refine.refiner.shared import MOST, load_once
from refine.skeletons import skeleton


@pytest.fixture
def loader():
    """A slow loader, and the calls of it."""
    calls = []

    def load(*arguments, **options):
        calls.append((arguments, options))
        time.sleep(0.05)
        return object()

    return load, calls


def test_the_same_call_returns_the_same(loader):
    load, calls = loader
    first = load_once(load, "coco17", flip=True)
    assert load_once(load, "coco17", flip=True) is first
    assert load_once(load, "coco17", flip=False) is not first
    assert load_once(load, "other", flip=True) is not first
    assert len(calls) == 3


def test_threads_wait_for_one_load(loader):
    load, calls = loader
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load_once(load, "coco17"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(set(map(id, found))) == 1
    assert len(found) == 8


def test_a_file_that_was_written_again_is_loaded_again(loader, tmp_path):
    load, calls = loader
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"one")
    first = load_once(load, str(path))
    assert load_once(load, str(path)) is first
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert load_once(load, str(path)) is not first
    assert len(calls) == 2


def test_a_failure_is_not_remembered():
    answers = [ValueError("not yet"), "loaded"]

    def load(name):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="not yet"):
        load_once(load, "coco17")
    assert load_once(load, "coco17") == "loaded"


def test_few_are_kept(loader):
    load, calls = loader
    for number in range(MOST + 1):
        load_once(load, number)
    load_once(load, MOST)
    assert len(calls) == MOST + 1
    load_once(load, 0)
    assert len(calls) == MOST + 2


def test_runs_in_threads_share_one_refiner_and_agree(monkeypatch):
    calls, load = [], Refiner.load.__func__
    monkeypatch.setattr(
        Refiner, "load", classmethod(lambda cls, *a: calls.append(a) or load(cls, *a))
    )
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 200, (6, 17, 2))
    xy[:, 3] = np.nan
    poses = Poses.from_arrays(skeleton("coco17"), xy, rng.random((6, 17)), image=np.arange(6))
    done: list[Poses] = []
    threads = [threading.Thread(target=lambda: done.append(run(poses))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [("coco17",)]
    np.testing.assert_array_equal(done[0].xy, done[1].xy)
