"""The exact solver for small instances of the partitioning and labelling program."""

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
from refine.decoding.partition.arrays import Partition, as_partition, checked_costs
from refine.exceptions import RefineError


def solve_ilp(
    unary: npt.ArrayLike,
    pair: npt.ArrayLike,
    *,
    max_variables: int = 4000,
    time_limit: float = 60.0,
) -> Partition:
    """Partition and label optimally with HiGHS (`scipy.optimize.milp`).

    Transitivity, y_ij + y_jk - 1 <= y_ik, is added where a solution breaks it, first for the
    linear relaxation, until none does: the optimum is that of the whole program.

    Args:
        unary: see `solve_fast`.
        pair: see `solve_fast`.
        max_variables: refuse larger programs; 4000 are about 85 candidates of one class each, or
            10 with 14 classes.
        time_limit: seconds, for each of the programs that are solved on the way.

    Returns:
        see `solve_fast`.

    Raises:
        ArrayError: see `solve_fast`.
        RefineError: too many variables, or no optimum within the time.

    >>> solve_ilp([[-1.0], [0.5]], [[0.0, -2.0], [-2.0, 0.0]])
    Partition(label=array([0, 0]), cluster=array([0, 0]), cost=-2.5)
    """
    alpha, beta = checked_costs(unary, pair)
    d, classes = alpha.shape
    if d < 2:
        label = np.where(alpha.min(1, initial=0) < 0, alpha.argmin(1), -1)
        return as_partition(alpha, beta, label, np.where(label < 0, -1, 0))
    one, two = np.triu_indices(d, 1)
    first, c = d * classes, np.arange(classes)
    y = first + np.arange(len(one))
    # z of the pairs and classes that cost something; with one class z is y.
    at, a, b = np.nonzero(beta[one, two]) if classes > 1 else (np.empty(0, np.intp),) * 3
    z = first + len(one) + np.arange(len(at))
    variables = first + len(one) + len(at)
    if variables > max_variables:
        raise RefineError(
            f"expected at most {max_variables} variables for the exact solver, got {variables}"
            f" ({d} candidates, {classes} classes)",
            hint="the fast solver, a higher minimum score, or a higher max_variables",
        )
    pairs = beta[one, two, 0, 0] if classes == 1 else np.zeros(len(y))
    cost = np.concatenate([alpha.ravel(), pairs, beta[one[at], two[at], a, b]])
    rows = _Rows(variables)
    rows.add(np.arange(first).reshape(d, classes), np.ones(classes), 1)
    for end in (one, two):
        rows.add(np.column_stack([y, end[:, None] * classes + c]), np.r_[1, -np.ones(classes)], 0)
    x_one, x_two, joined = one[at] * classes + a, two[at] * classes + b, y[at]
    gain = cost[z] < 0
    # Minimising pushes z up where beta < 0 and down where beta > 0: only these rows can bind.
    for above in (x_one, x_two, joined):
        rows.add(np.column_stack([z, above])[gain], np.array([1, -1]), 0)
    rows.add(np.column_stack([x_one, x_two, joined, z])[~gain], np.array([1, 1, 1, -1]), 2)
    edge = np.zeros((d, d), np.intp)
    edge[one, two] = edge[two, one] = y
    for whole in (False, True):
        while True:
            solution = rows.solve(cost, whole, time_limit)
            broken = _broken_triangles(solution[edge], whole)
            if not len(broken):
                break
            i, j, k = broken.T
            rows.add(np.column_stack([edge[i, j], edge[j, k], edge[i, k]]), np.array([1, 1, -1]), 1)
    chosen = solution[:first].reshape(d, classes) > 0.5
    label = np.where(chosen.any(1), chosen.argmax(1), -1)
    together = (solution[edge] > 0.5) & ~np.eye(d, dtype=bool) | np.eye(d, dtype=bool)
    return as_partition(alpha, beta, label, np.where(label < 0, -1, together.argmax(1)))


class _Rows:
    """Rows a @ v <= bound of a program over binary variables v."""

    def __init__(self, variables: int) -> None:
        self.variables = variables
        self.parts: list[tuple[Indices, Floats, float]] = []

    def add(self, columns: npt.NDArray[np.integer], factor: npt.ArrayLike, bound: float) -> None:
        """Add a row for each row of column indices (R, M), all with the same M factors."""
        if len(columns):
            self.parts.append((np.asarray(columns), np.asarray(factor, np.float64), bound))

    def solve(self, cost: Floats, whole: bool, time_limit: float) -> Floats:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        columns = np.concatenate([p[0].ravel() for p in self.parts])
        values = np.concatenate([np.tile(p[1], len(p[0])) for p in self.parts])
        length = np.concatenate([np.full(len(p[0]), p[0].shape[1]) for p in self.parts])
        bound = np.concatenate([np.full(len(p[0]), float(p[2])) for p in self.parts])
        starts = np.concatenate([[0], np.cumsum(length)])
        # SciPy below 1.15 hands indices to HiGHS as they are, and HiGHS takes int32 alone.
        index = columns.astype(np.int32), starts.astype(np.int32)
        matrix = csr_array((values, *index), shape=(len(length), self.variables))
        result = milp(
            cost,
            integrality=np.full(self.variables, int(whole)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix, -np.inf, bound),
            options={"mip_rel_gap": 0.0, "time_limit": time_limit},
        )
        if result.status != 0:
            raise RefineError(
                f"expected an optimum within {time_limit:g} s, got: {result.message}",
                hint="the fast solver, or a longer time_limit",
            )
        return np.asarray(result.x)


def _broken_triangles(y: Floats, whole: bool) -> Indices:
    """Return triples (T, 3) with y_ij + y_jk - y_ik > 1; of the relaxation the worst of each ij."""
    value = np.rint(y) if whole else y
    np.fill_diagonal(value, 0)
    excess = value[:, :, None] + value[None] - value[:, None] - 1
    n = np.arange(len(value))
    excess[n, :, n] = 0
    if whole:
        found = np.argwhere(excess > 0.5)
    else:
        worst = excess.argmax(2)
        i, j = np.nonzero(excess.max(2) > 1e-6)
        found = np.column_stack([i, j, worst[i, j]])
    return np.asarray(found[found[:, 0] < found[:, 2]] if whole else found)
