"""Paths of joints in plain NumPy: one linear system, and all readings one by one."""

from itertools import pairwise, product
from math import log

import numpy as np
from scipy.linalg import expm


def smooth_path(xy, variance, time, agility, memory):
    """Solve for all places and velocities at once; Van Loan's transition and noise."""
    frames = len(xy)
    drift = np.array([[0, 1], [0, -1 / memory]])
    precision = np.zeros((2 * frames, 2 * frames))
    right = np.zeros((2 * frames, 2))
    precision[1, 1] = 1 / (agility[0] * memory / 2)
    for t in range(1, frames):
        push = np.array([[0, 0], [0, agility[t]]])
        table = expm(
            np.block([[-drift, push], [np.zeros((2, 2)), drift.T]]) * (time[t] - time[t - 1])
        )
        move = table[2:, 2:].T
        row = np.zeros((2, 2 * frames))
        row[:, 2 * t - 2 : 2 * t], row[:, 2 * t : 2 * t + 2] = -move, np.eye(2)
        precision += row.T @ np.linalg.inv(move @ table[:2, 2:]) @ row
    for t in np.flatnonzero(np.isfinite(xy[:, 0])):
        precision[2 * t, 2 * t] += 1 / variance[t]
        right[2 * t] = xy[t] / variance[t]
    covariance = np.linalg.inv(precision)
    return (covariance @ right)[::2], np.diag(covariance)[::2]


def flips(left, right, known, time, variance, speed, switch, stay, ends):
    """Return the chance of every frame to be read the other way round, over all readings."""
    frames, pairs = known.shape
    total, turned = 0.0, np.zeros(frames)
    for reading in product((0, 1), repeat=frames):
        other = np.array(reading, bool)[:, None, None]
        place = np.where(other, right, left), np.where(other, left, right)
        gain = -ends * (reading[0] + reading[-1]) - stay * sum(reading[1:-1])
        gain -= switch * sum(a != b for a, b in pairwise(reading))
        for t in range(1, frames):
            for p in range(pairs):
                before = np.flatnonzero(known[:t, p])
                if not known[t, p] or not len(before):
                    continue
                spread = 2 * variance[t, p] + (speed[t] * (time[t] - time[before[-1]])) ** 2
                for side in place:
                    step = side[t, p] - side[t - 1, p]
                    d2 = step @ step
                    ahead = (time[t] - time[t - 1]) / (time[t - 1] - time[t - 2]) if t > 1 else 3
                    if ahead <= 2:
                        step = step - ahead * (side[t - 1, p] - side[t - 2, p])
                        d2 = min(d2, step @ step)
                    gain -= 2 * log(1 + d2 / (2 * spread))
        total += np.exp(gain)
        turned += np.exp(gain) * np.array(reading)
    return turned / total
