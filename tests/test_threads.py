"""Threads: one by default, the same results from any number, and pools that rest meanwhile."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

import refine
from refine import _threads
from refine._threads import in_threads, pools_at_rest, thread_count
from refine.decoding import decode_heatmaps
from refine.decoding.heatmap import arrays as heatmap_arrays
from refine.refiner.pose import refiner as pose_refiner
from refine.sample import make_people, make_predictions
from refine.suppression import arrays as suppression_arrays, oks_nms, soft_oks_nms


@pytest.fixture
def threads():
    """Set a number of threads, until the test ends."""
    yield refine.set_threads
    refine.set_threads(1)


@pytest.fixture(scope="module")
def poses():
    truth, _ = make_people(60, np.random.default_rng(0))
    return make_predictions(truth, np.random.default_rng(1))


def hard(poses):
    image = poses.image
    return oks_nms(poses.xy, poses.instance_score, 5e3 + 0 * image, SIGMAS, 0.5, image=image)


def soft(poses):
    image = poses.image
    return soft_oks_nms(poses.xy, poses.instance_score, 5e3 + 0 * image, SIGMAS, image=image)


def believe(poses):
    found = refine.Refiner.load().believe(poses)
    return found.xy, found.keep, found.oks


def decode(poses):
    return decode_heatmaps(np.random.default_rng(0).random((30, 17, 32, 24), np.float32))


SIGMAS = np.full(17, 0.08)


@pytest.mark.parametrize("work", [hard, soft, believe, decode])
def test_any_number_of_threads_gives_the_same(work, poses, threads, monkeypatch):
    monkeypatch.setattr(suppression_arrays, "PART", 20)
    monkeypatch.setattr(pose_refiner, "BATCH", 16)
    monkeypatch.setattr(heatmap_arrays, "PER_THREAD", 1)
    found = []
    for count in (1, 2, 5):
        threads(count)
        found.append(work(poses))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_suppression_in_parts_is_suppression(poses, monkeypatch):
    whole = hard(poses), soft(poses)
    monkeypatch.setattr(suppression_arrays, "PART", 20)
    assert hard(poses).tolist() == whole[0].tolist()
    for a, b in zip(soft(poses), whole[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_parts_are_done_side_by_side_where_that_was_asked_for(threads):
    assert thread_count() == 1
    one, other = Event(), Event()

    def meet(part):
        (one, other)[part].set()
        assert (other, one)[part].wait(20)

    threads(2)
    in_threads(meet, range(2))


def test_less_than_one_is_refused():
    with pytest.raises(refine.RefineError, match="at least one thread, got 0"):
        refine.set_threads(0)


def test_pools_rest_until_the_last_one_is_done():
    import torch

    pool = _threads._openblas()
    if pool is None:
        pytest.fail("wheels of NumPy have OpenBLAS")
    get, put = pool
    before = get(), torch.get_num_threads()
    try:
        put(2), torch.set_num_threads(3)
        with pools_at_rest():
            with ThreadPoolExecutor(4) as others:
                list(others.map(lambda _: in_threads(lambda part: None, range(3)), range(50)))
            assert (get(), torch.get_num_threads()) == (1, 1)
        assert (get(), torch.get_num_threads()) == (2, 3)
    finally:
        put(before[0]), torch.set_num_threads(before[1])


def test_another_library_of_matrices_is_left_alone(monkeypatch):
    monkeypatch.setattr(_threads, "_openblas", lambda: None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pools_at_rest():
        pass
    monkeypatch.undo()
    monkeypatch.setattr(_threads, "PREFIXES", ("nothing_{}_of_that_name",))
    assert _threads._openblas.__wrapped__() is None
