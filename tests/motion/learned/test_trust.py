"""What the smoother makes of a refiner that knows which places are wrong."""

import numpy as np
import pytest

from refine.exceptions import WeightsError
from refine.motion.arrays import Path, Seen, present
from refine.motion.jitter import path_of
from refine.motion.learned.refiner import TemporalRefiner
from refine.motion.learned.trust import PASSABLE, STEEPNESS, trust_of
from refine.motion.learned.windows import features_of, show
from refine.skeletons import skeleton
from tests.motion.learned.conftest import walk

BODY = skeleton("pennaction13")


class Knowing:
    """A network that is told errors in advance, and keeps what it was shown."""

    def __init__(self, error):
        self.error, self.shown = error, []

    def __call__(self, features):
        self.shown.append(features)
        every = len(self.error) // len(features) or 1
        return np.log(self.error[(len(self.shown) - 1) % every :: every][: len(features)])


def seen_of(xy, fps=30.0, variance=None):
    return Seen(xy, np.arange(len(xy)) / fps, np.full(len(xy), 80.0), variance)


def test_places_that_are_known_to_be_wrong_count_little():
    true = walk(80)
    bad = true + np.random.default_rng(0).normal(0, 1, true.shape)
    bad[30:42, 5] += 30  # too long for the smoother alone
    error = np.linalg.norm(bad - true, axis=-1) / 80
    knowing = TemporalRefiner(Knowing(error), BODY, {})
    away = [
        np.linalg.norm(path_of(seen_of(bad), BODY, None, t).xy - true, axis=-1)[30:42, 5].mean()
        for t in (None, knowing)
    ]
    assert away[0] > 20
    assert away[1] < 12


def test_passable_places_are_trusted_alike():
    error = np.random.default_rng(0).uniform(0, PASSABLE, (40, 13))
    true = walk(40)
    bad = true + np.random.default_rng(0).normal(0, 2, true.shape)
    knowing = TemporalRefiner(Knowing(error), BODY, {})
    plain, learned = (path_of(seen_of(bad), BODY, None, t).xy for t in (None, knowing))
    np.testing.assert_allclose(learned, plain)
    assert (trust_of(np.full((3, 2), 0.3), np.zeros((3, 2), bool)) > 1).all()


def test_what_is_known_of_places_counts_with_what_is_learned():
    coco = skeleton("coco17")
    xy = np.random.default_rng(0).normal(0, 1, (20, 17, 2)) + np.arange(17)[:, None] * 9
    variance = np.random.default_rng(1).uniform(1, 9, (20, 17))
    error = np.full((20, 13), 0.01)
    error[:, BODY.index("left_knee")] = 2 * PASSABLE
    refiner = TemporalRefiner(Knowing(error), BODY, {})
    for known in (None, variance):
        seen = seen_of(xy, variance=known)
        told = refiner.trust(seen, path_of(seen, coco), coco)
        wanted = np.ones((20, 17)) if known is None else variance.copy()
        # The nose, which Penn Action lacks, among those that are as they were.
        wanted[:, coco.index("left_knee")] *= 2**STEEPNESS
        np.testing.assert_allclose(told, wanted)


def test_a_skeleton_of_something_else_is_refused():
    hand = skeleton("hand21")
    seen = seen_of(np.zeros((5, 21, 2)))
    refiner = TemporalRefiner(Knowing(np.ones((5, 13))), BODY, {})
    with pytest.raises(WeightsError, match="shares at least 6 joints"):
        refiner.trust(seen, path_of(seen, hand), hand)


@pytest.mark.parametrize(("fps", "looks"), [(30, 1), (44, 1), (60, 2), (240, 8), (5, 1)])
def test_fast_videos_are_looked_at_as_slower_ones(fps, looks):
    true = walk(48)
    error = np.random.default_rng(0).uniform(0.1, 0.5, (48, 13))
    knowing = Knowing(error)
    seen = seen_of(true, fps)
    told = TemporalRefiner(knowing, BODY, {}).trust(seen, path_of(seen, BODY), BODY)
    assert len(knowing.shown) == looks
    np.testing.assert_allclose(told, trust_of(error, present(true)))


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_whatever_is_missing_the_network_is_shown_numbers(frames):
    true = walk(30)[:frames]
    for gone in (np.s_[:, 2], np.s_[frames // 2], np.s_[:]):
        xy = true.copy()
        xy[gone] = np.nan
        seen = seen_of(xy)
        columns = show(seen, path_of(seen, BODY))
        assert columns.shape == (frames, features_of(13))
        assert np.isfinite(columns).all()


def test_what_is_shown_does_not_depend_on_where_and_how_large_a_person_is():
    bad = walk(40) + np.random.default_rng(0).normal(0, 2, (40, 13, 2))
    bad[5:9, 4] = np.nan
    first = seen_of(bad)
    second = Seen(bad * 3 + [200, -40], first.time, first.size * 3, None)
    shown = [show(s, path_of(s, BODY)) for s in (first, second)]
    np.testing.assert_allclose(*shown, atol=1e-4)


def test_a_path_without_spread_is_shown_as_numbers():
    xy = walk(4)
    path = Path(xy, np.zeros((4, 13)), np.ones((4, 13), bool))
    assert np.isfinite(show(seen_of(xy), path)).all()
