"""Errors that last, and cameras of other rates."""

import dataclasses

import numpy as np
import pytest

from refine.errors.statistics import read_statistics
from refine.motion.arrays import present
from refine.motion.learned.simulate import draw_lasting, err, retime
from refine.skeletons import skeleton, usual_sigmas
from tests.motion.learned.conftest import walk

PENN = skeleton("pennaction13")
BODY = dataclasses.replace(PENN, sigmas=usual_sigmas(PENN))


def drawn(true=None, seed=0, **changes):
    lasting = draw_lasting(np.random.default_rng(7))
    still = {"missing": 0.0, "lost": 0.0, "flip": 0.0, "never": 0.0}
    lasting = dataclasses.replace(lasting, **{**still, **changes})
    true = walk(400) if true is None else true
    statistics = read_statistics("posenet-coral")
    return err(true, 4000.0, lasting, statistics, BODY, np.random.default_rng(seed)) - true


def memory(away):
    """Correlation of errors with those of the frame before."""
    return float(np.corrcoef(away[1:].ravel(), away[:-1].ravel())[0, 1])


@pytest.mark.parametrize("wandering", [False, True])
def test_errors_last_as_long_as_they_are_told_to(wandering):
    short = drawn(error=1.01, white=1.0, wandering=wandering)
    long = drawn(error=10.0, white=0.0, wandering=wandering)
    assert abs(memory(short)) < 0.1
    assert memory(long) > 0.6


def test_noise_and_severity_are_those_asked_for():
    gentle, rough = (drawn(severity=s, noise=0.3, white=1.0) for s in (0.0, 4.0))
    assert np.abs(gentle).max() < 20
    assert np.abs(rough).mean() > 2 * np.abs(gentle).mean()


def test_rates_of_what_is_missing():
    away = drawn(missing=0.1, missing_for=3.0, lost=0.05, lost_for=3.0)
    there = np.isfinite(away).all(-1)
    assert 0.1 < 1 - there.mean() < 0.35
    gone = ~there.any(1)
    assert 0.01 < gone.mean() < 0.15
    never = drawn(never=0.5)
    assert np.isnan(never).all((0, 2)).any()


def test_flips_put_joints_where_their_partner_is():
    away = drawn(flip=0.2, flip_for=5.0, severity=0.0, noise=0.01)
    true = walk(400)
    partner = true[:, PENN.mirror] - true
    apart = np.linalg.norm(partner, axis=-1)
    flipped = (np.linalg.norm(away - partner, axis=-1) < 2) & (apart > 8)
    assert 0.02 < flipped[apart > 8].mean() < 0.6


def test_what_nobody_knows_stays_unknown():
    true = walk(50)
    true[:20, 3] = np.nan
    away = drawn(true)
    assert np.isnan(away[:20, 3]).all()
    assert present(away[20:, 3]).all()


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.7, 3.0])
def test_curves_are_kept_at_another_rate(speed):
    at = np.arange(0, 29 + 1e-9, speed)
    curve = np.stack([at**2 / 30, np.sin(at / 4)], -1)[:, None]
    source = np.arange(30.0)
    xy = np.stack([source**2 / 30, np.sin(source / 4)], -1)[:, None]
    np.testing.assert_allclose(retime(xy, speed), curve, atol=0.02)
    xy[10:12] = np.nan
    gone = np.isnan(retime(xy, speed)).all((1, 2))
    assert (gone == ((at > 9) & (at < 12))).all()
