"""How expected keypoint similarities are put right, and how that is fitted."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.numerics import SURE, logit, sigmoid
from refine.skeletons import Skeleton

Form = Literal["identity", "affine", "isotonic", "joints"]
FORMS: tuple[Form, ...] = ("identity", "affine", "isotonic", "joints")

FOLDS = 5
"""Parts of the images in all cross-validation."""
STRENGTH = 5.0
"""Ridge that holds curves at the identity, in joints; those of a pose err together."""
NEWTON_STEPS, TINY = 50, 1e-9
SHRINK = 0.1
"""Of a step to the next, with which the curvature is taken as it was: computing it is most of the
work."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How an expected keypoint similarity is put right; never falling.

    Attributes:
        form: "identity"; "affine": slope and offset of the logit; "joints": the same with an
            offset a joint, and weights of the source's own keypoint score and of the pose's size;
            "isotonic": a staircase of `knots`, straight between them.
        slope: of the logit, at least 0.
        offset: of the logit.
        score: weight of the keypoint score's rank, as a normal deviate.
        size: weight of the rank of the pose's size, minus 1/2.
        joints: (K,) offsets, the same for left and right.
        knots: expected similarity and what it is worth.
    """

    form: Form = "identity"
    slope: float = 1.0
    offset: float = 0.0
    score: float = 0.0
    size: float = 0.0
    joints: tuple[float, ...] = ()
    knots: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def __post_init__(self) -> None:
        numbers = (self.slope, self.offset, self.score, self.size, *self.joints)
        x, y = self.knots
        if not np.isfinite((*numbers, *x, *y)).all():
            raise ValueError("expected finite numbers in a curve")
        if len(x) != len(y) or (self.form == "isotonic" and not x):
            raise ValueError(f"expected as many knots as values, got {len(x)} and {len(y)}")
        if (np.diff(x) < 0).any():
            raise ValueError("expected the knots of a curve to rise")

    def __call__(self, expected: Floats, score: Floats, size: Floats) -> Floats:
        """Put expected similarities right.

        Args:
            expected: (N, K) in [0, 1], NaN where unknown.
            score: (N, K) normal deviate of the source's own score, 0 where unknown.
            size: (N,) rank of the pose's size minus 1/2.

        >>> curve = Curve("affine", slope=0.5, offset=-1.0)
        >>> curve(np.array([[0.9]]), np.zeros((1, 1)), np.zeros(1)).round(3).tolist()
        [[0.525]]
        """
        return self.at(expected, score, size[:, None], np.array(self.joints or 0.0))

    def at(self, expected: Floats, score: Floats, size: Floats, shift: Floats) -> Floats:
        """Do the same element by element, `shift` being the offset of each one's joint."""
        if self.form == "identity":
            return expected
        if self.form == "isotonic":
            return np.where(np.isfinite(expected), np.interp(expected, *self.knots), np.nan)
        total = self.offset + self.score * score + self.size * size + shift
        return sigmoid(self.slope * logit(expected) + total)


def fit_curve(
    expected: Floats,
    truth: Floats,
    score: Floats,
    size: Floats,
    rows: Bools,
    image: Indices,
    skeleton: Skeleton,
) -> Curve:
    """Fit how expected similarities are put right; the form with the least loss wins.

    Args:
        expected: (N, K) in [0, 1].
        truth: (N, K) what came, NaN where not known.
        score: (N, K) and
        size: (N,) as `Curve` takes them.
        rows: (N, K) joints to fit on.
        image: (N,) whose poses are left out together.
        skeleton: the K joints.
    """
    known = rows & np.isfinite(truth) & np.isfinite(expected)
    pose, joint = np.nonzero(known)
    fold = folds(image)[pose]
    if len(set(fold.tolist())) < 2:
        return Curve()
    side = np.minimum(np.arange(len(skeleton)), skeleton.mirror)
    names, column = np.unique(side, return_inverse=True)
    data = _Joints(
        expected[known], truth[known], score[known], size[pose], column[joint], len(names)
    )
    whole = {form: data.fit(form) for form in FORMS}
    loss = dict.fromkeys(FORMS, 0.0)
    for part in np.unique(fold):
        inside, outside = data[fold != part], data[fold == part]
        for form in FORMS:
            p = np.clip(outside.predict(inside.fit(form, whole[form])), SURE, 1 - SURE)
            loss[form] -= float(
                (outside.truth * np.log(p) + (1 - outside.truth) * np.log(1 - p)).sum()
            )
    curve = whole[min(FORMS, key=loss.__getitem__)]
    return replace(curve, joints=tuple(np.array(curve.joints)[column]) if curve.joints else ())


@dataclass(frozen=True, slots=True, eq=False)
class _Joints:
    """Joints to fit a curve on, (J,) each; `part` is the pair of joints that one belongs to."""

    expected: Floats
    truth: Floats
    score: Floats
    size: Floats
    part: Indices
    parts: int

    def __getitem__(self, rows: Bools) -> "_Joints":
        columns = (a[rows] for a in (self.expected, self.truth, self.score, self.size))
        expected, truth, score, size = columns
        return _Joints(expected, truth, score, size, self.part[rows], self.parts)

    def fit(self, form: Form, near: Curve | None = None) -> Curve:
        """Fit a curve of some form, which is near one that fits more joints."""
        if form == "identity":
            return Curve()
        if form == "isotonic":
            from scipy.optimize import isotonic_regression

            x, place = np.unique(self.expected, return_inverse=True)
            count = np.bincount(place).astype(np.float64)
            mean = np.bincount(place, self.truth) / count
            y = isotonic_regression(mean, weights=count).x.clip(SURE, 1 - SURE)
            # The ends of the stairs are all that interpolation needs.
            ends = np.r_[True, np.diff(y) > 0] | np.r_[np.diff(y) > 0, True]
            return Curve(form, knots=(tuple(x[ends].tolist()), tuple(y[ends].tolist())))
        columns = [logit(self.expected)]
        if form == "joints":
            columns += [self.score, self.size, *(self.part == np.arange(self.parts)[:, None])]
        matrix = np.stack(columns, 1).astype(np.float64)
        prior = np.eye(len(columns))[0]
        start = None
        if near is not None:
            weights = [near.slope, near.score, near.size, *near.joints][: len(prior)]
            start = np.array(weights), near.offset
        w, offset = fit_logistic(matrix, self.truth, prior, np.full(len(prior), STRENGTH), start)
        if w[0] < 0:
            # Convex with one bound that is broken: the best within it lies on it.
            rest, offset = fit_logistic(
                matrix[:, 1:], self.truth, prior[1:], np.full(len(prior) - 1, STRENGTH)
            )
            w = np.append(0.0, rest)
        weights = w.tolist()
        if form == "affine":
            return Curve(form, weights[0], offset)
        return Curve(form, weights[0], offset, weights[1], weights[2], tuple(weights[3:]))

    def predict(self, curve: Curve) -> Floats:
        shift = np.array(curve.joints)[self.part] if curve.joints else np.zeros(1)
        return curve.at(self.expected, self.score, self.size, shift)


def fit_logistic(
    columns: Floats,
    target: Floats,
    prior: Floats,
    strength: Floats,
    near: tuple[Floats, float] | None = None,
) -> tuple[Floats, float]:
    """Fit weights (C,) and intercept of a logistic regression, held at a prior by a ridge.

    Args:
        columns: (N, C).
        target: (N,) in [0, 1].
        prior: (C,) weights that cost nothing.
        strength: (C,) ridge of each; the intercept is free.
        near: weights and intercept to start from; it saves time alone.

    >>> weights, intercept = fit_logistic(
    ...     np.array([[-1.0], [1.0]]), np.array([0.2, 0.8]), np.zeros(1), np.zeros(1))
    >>> weights.round(2).tolist()
    [1.39]
    """
    x = np.column_stack([columns, np.ones(len(target))])
    aim, ridge = np.append(prior, 0.0), np.append(strength, 0.0)

    def at(w: Floats) -> tuple[Floats, float]:
        """Return the logits and the loss of weights."""
        z = x @ w
        likely = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))).sum() - target @ z
        return z, float(likely + (ridge * (w - aim) ** 2).sum())

    # Newton's method: the loss is convex and has few weights.
    w = aim.copy() if near is None else np.append(*near)
    z, here = at(w)
    before, size = 0.0, np.inf
    for _ in range(NEWTON_STEPS):
        p = sigmoid(z)
        slope = x.T @ (p - target) + 2 * ridge * (w - aim)
        if size > before * SHRINK:
            curved = x * np.sqrt(p * (1 - p))[:, None]
            curvature = curved.T @ curved + np.diag(2 * ridge + TINY)
        step = np.linalg.solve(curvature, slope)
        z, there = at(w - step)
        while there > here and np.abs(step).max() > TINY:
            step = step / 2
            z, there = at(w - step)
        w, here = w - step, there
        before, size = size, np.abs(step).max()
        if size < TINY:
            break
    return w[:-1], float(w[-1])


def folds(image: Indices) -> Indices:
    """Deal images out to `FOLDS` parts, always in the same way; returns the part (N,) of each row.

    >>> folds(np.array([4, 4, 9])).tolist() in ([0, 0, 1], [1, 1, 0])
    True
    """
    names, place = np.unique(image, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return np.asarray((order % FOLDS)[place])
