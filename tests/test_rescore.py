import numpy as np
import pytest
from scipy.stats import rankdata

import refine
from refine.rescore import blend, mean_ranks, rescore


@pytest.mark.parametrize("distinct", [1, 7, 10_000])
def test_ranks_are_those_of_scipy(distinct):
    values = np.random.default_rng(0).integers(0, distinct, 500) / 7
    np.testing.assert_array_equal(mean_ranks(values), (rankdata(values) - 0.5) / 500)


def test_poses_without_a_score_rank_in_the_middle():
    np.testing.assert_allclose(blend(np.ones(3), np.array([np.nan, 9, -9])), [1, 1.25, 0.75])
    np.testing.assert_allclose(blend(np.ones(2), np.full(2, np.nan)), 1)
    assert blend(np.ones(0), np.ones(0)).shape == (0,)


def test_rescore_keeps_the_sources_score_and_writes_few_digits():
    body = refine.skeleton("coco17")
    poses = refine.Poses.from_arrays(body, np.ones((2, 17, 2)), instance_score=[2.5, np.nan])
    done = rescore(poses, np.array([1 / 3, 2 / 3]), "sha256:ab")
    assert done.instance_score.tolist() == [0.3333, 0.6667]
    assert [e["source_score"] for e in done.extra] == [2.5, None]
    assert done.history[-1].weights == "sha256:ab"
    assert poses.extra == ({}, {})
