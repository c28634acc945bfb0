"""PersonLab and PoseNet: heatmaps, and offsets that lead from joint to joint."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32, Indices
from refine.decoding.maps.check import checked_maps
from refine.decoding.maps.local_maxima import find_peaks, refine_peaks
from refine.decoding.people import Decoded
from refine.decoding.personlab import kernels
from refine.exceptions import ArrayError, SkeletonError
from refine.geometry import keypoint_box
from refine.skeletons import skeleton as find_skeleton

Maps = Floats32
Compat = Literal["edgetpu"]
COMPATS: tuple[str, ...] = get_args(Compat)

ODDS = 1e-6
"""Added to the probability that becomes a logit: Coral posenet_decoder.cc, Logodds."""
FAINT = 0.01
"""Probability below which a point does not vote."""
LEAST_VARIANCE = 0.25
"""Cells^2 of the Hough map: an OKS kernel narrower than that falls between the cells."""


@dataclass(frozen=True, slots=True)
class PersonLabRules:
    """How one code base turns maps and offsets into people; the table is `rules.toml`.

    Attributes:
        threshold: of the peaks that start a person: probability, or Hough score.
        nms_radius: px within which two joints of one kind are the same one.
        steps: times that a joint reached by a mid-range offset is corrected by the short-range one.
        max_poses: most people.
        min_score: lowest instance score.
        walk: "tree": from the root up to the nose, then down; "best": most confident joint first.
        reading: of the maps between cells.
        roots: peaks of the heatmaps ("cell", moved by its short-range offset) or of the Hough map.
        score: of a joint: value of the heatmap, or that times the OKS expected from the Hough map.
        order: in which people claim joints: as "found", or by mean joint "score".
        source: code path or paper.
        radius: px, of the discs of the heatmaps; for the Hough map.
        step: px per cell of the Hough map.
        moves: steps that a joint goes towards its highest expected OKS; with "expected-oks".
    """

    threshold: float
    nms_radius: float
    steps: int
    max_poses: int
    min_score: float
    walk: Literal["tree", "best"]
    reading: Literal["nearest", "linear"]
    roots: Literal["cell", "hough"]
    score: Literal["map", "expected-oks"]
    order: Literal["found", "score"]
    source: str
    radius: float = 32.0
    step: float = 4.0
    moves: int = 0


@cache
def personlab_rules() -> Mapping[str, PersonLabRules]:
    """Read the rule sets that ship, by name.

    >>> personlab_rules()["tfjs"].nms_radius
    20.0
    """
    return {name: PersonLabRules(**entry) for name, entry in _table()["rules"].items()}


@cache
def personlab_tree(name: str) -> npt.NDArray[np.int64]:
    """Return the edges of a skeleton with mid-range offsets: (E, 2), parent and child.

    Raises:
        SkeletonError: none are known.

    >>> personlab_tree("coco17")[:2].tolist()
    [[0, 1], [1, 3]]
    """
    trees = _table()["trees"]
    if name not in trees:
        raise SkeletonError(
            f"expected a skeleton with mid-range offsets, got {name!r}",
            hint=f"one of {', '.join(trees)}",
        )
    joints = find_skeleton(name)
    return np.array([[joints.index(j) for j in edge] for edge in trees[name]["edges"]], np.int64)


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(
        (resources.files("refine.decoding.personlab") / "rules.toml").read_text("utf-8")
    )


def decode_personlab(
    heatmaps: npt.ArrayLike,
    short_offsets: npt.ArrayLike,
    mid_offsets: npt.ArrayLike,
    stride: float = 16,
    rules: str | PersonLabRules = "tfjs",
    *,
    logits: bool = True,
    tree: str = "coco17",
    compat: Compat | None = None,
) -> Decoded:
    """Find the people of one image.

    Args:
        heatmaps: (K, H, W); views of arrays with the channel last are as good.
        short_offsets: (2K, H, W) input px to the joint: dy of all joints, then dx.
        mid_offsets: (4E, H, W) input px along the edges of the tree: forward dy, forward dx,
            backward dy, backward dx.
        stride: input px per cell. Cell i lies at i * stride: the input has s * n + 1 px.
        rules: name in `personlab_rules`, or the rules themselves.
        logits: whether `heatmaps` are logits; else probabilities.
        tree: name of a skeleton for `personlab_tree`.
        compat: "edgetpu" takes the backward offset of the first edge from the wrong channels, as
            google-coral/edgetpu posenet_decoder.cc did (`edge_id > kNumEdges`); "best" walk only.

    Returns:
        people with all K joints, in the order of the rules.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.
        SkeletonError: no such tree.

    >>> maps = np.full((17, 5, 5), -9.0)
    >>> maps[:, 2, 3] = 2.0
    >>> short, mid = np.ones((34, 5, 5)), np.zeros((64, 5, 5))
    >>> people = decode_personlab(maps, short, mid)
    >>> people.xy[:, 0].tolist(), people.instance_score.round(3).tolist()
    ([[49.0, 33.0]], [0.881])
    """
    system = find_rules(rules)
    if not (stride > 0 and system.step > 0 and system.radius > 0):
        raise ArrayError(f"expected positive stride, step and radius, got {stride} and {system}")
    if compat is not None and compat not in COMPATS:
        raise ArrayError(f"expected compat None or one of {COMPATS}, got {compat!r}")
    k, e = len(find_skeleton(tree)), len(personlab_tree(tree))
    # The walks read few cells: the layout stays as it is, channel first or last.
    maps, short, mid = (
        checked_maps(m, "maps", "C, H, W", empty=False, order="K").astype(np.float32, copy=False)
        for m in (heatmaps, short_offsets, mid_offsets)
    )
    shape = maps.shape[1:]
    if [m.shape for m in (maps, short, mid)] != [(n, *shape) for n in (k, 2 * k, 4 * e)]:
        raise ArrayError(
            f"expected heatmaps ({k}, H, W), short offsets ({2 * k}, H, W) and mid offsets "
            f"({4 * e}, H, W), got {maps.shape}, {short.shape} and {mid.shape}"
        )
    return _decode(_Heads(maps, short, mid, float(stride), logits), system, tree, compat)


def find_rules(rules: str | PersonLabRules) -> PersonLabRules:
    """Look up a rule set.

    Raises:
        ArrayError: no such name.
    """
    if isinstance(rules, PersonLabRules):
        return rules
    if rules not in personlab_rules():
        raise ArrayError(
            f"expected a rule set, got {rules!r}", hint=f"one of {', '.join(personlab_rules())}"
        )
    return personlab_rules()[rules]


class _Heads(NamedTuple):
    """Checked maps (K, H, W), short (2K, H, W) and mid offsets (4E, H, W)."""

    maps: Maps
    short: Maps
    mid: Maps
    stride: float
    logits: bool


def _decode(heads: _Heads, rules: PersonLabRules, tree: str, compat: Compat | None) -> Decoded:
    maps, short, mid, stride, logits = heads
    votes = None
    if rules.roots == "hough" or rules.score == "expected-oks":
        votes = kernels.hough(maps, short, stride, rules.step, rules.radius, FAINT, logits)
    joint, at, value = _roots(heads, votes, rules)
    reading = kernels.NEAREST if rules.reading == "nearest" else kernels.LINEAR
    cells, score = kernels.people(
        maps, short, mid, personlab_tree(tree), joint, at, value, rules.walk == "tree", reading,
        rules.steps, stride, logits, compat == "edgetpu", rules.nms_radius / stride,
        rules.max_poses, rules.min_score,
    )  # fmt: skip
    if votes is not None and rules.score == "expected-oks":
        cells, score = _expected_oks(votes, cells, score, stride, rules, tree)
    order = np.arange(len(score))
    if rules.order == "score":
        order = np.argsort(-score.mean(1), kind="stable")
    instance = kernels.soft_nms(cells, score, order, rules.nms_radius / stride)
    if rules.order == "score":
        order = np.argsort(-instance, kind="stable")
    order = order[instance[order] >= rules.min_score]
    return Decoded(cells[order] * stride, score[order], instance[order])


def _roots(
    heads: _Heads, votes: Maps | None, rules: PersonLabRules
) -> tuple[Indices, Floats, Floats]:
    """Return joint (R,), cell (R, 2) and value (R,) of the peaks that may start a person."""
    maps, short, stride = heads.maps, heads.short, heads.stride
    k = len(maps)
    if rules.roots == "hough":
        assert votes is not None
        peaks = find_peaks(votes, rules.threshold, "3x3")
        at = refine_peaks(votes, peaks, "fit") * rules.step / stride
    else:
        least = rules.threshold
        if heads.logits:
            odds = least + ODDS if rules.walk == "best" else least
            with np.errstate(divide="ignore"):
                least = -np.log(1 / odds - 1)
        # A peak may be exactly at the threshold.
        peaks = find_peaks(maps, np.nextafter(np.float32(least), np.float32(-np.inf)), "3x3")
        at = peaks.cell.astype(np.float64)
    joint = np.repeat(np.arange(k), np.diff(peaks.start))
    value, cell = peaks.value, peaks.cell
    # Candidates enter the queue row by row, as in the code bases.
    scan = np.lexsort((joint, cell[:, 0], cell[:, 1]))
    order = scan[kernels.queue_order(value[scan])]
    joint, at, cell, value = joint[order], at[order], cell[order], value[order]
    if rules.roots == "cell":
        x, y = cell[:, 0], cell[:, 1]
        at = at + np.stack([short[joint + k, y, x], short[joint, y, x]], 1) / stride
        if rules.walk == "best":
            at = np.clip(at, 0, np.array(maps.shape[:0:-1]) - 1)
    return joint, at, value


def _expected_oks(
    votes: Maps, cells: Floats, score: Floats, stride: float, rules: PersonLabRules, tree: str
) -> tuple[Floats, Floats]:
    """Replace probabilities by expected OKS; the area of a person is its keypoint box."""
    unit = stride / rules.step
    box = keypoint_box(cells * unit)
    area = np.prod(box[:, 2:] - box[:, :2], axis=1)
    sigmas = find_skeleton(tree).sigmas
    if sigmas is None:
        raise SkeletonError(f"expected sigmas for expected OKS, got none for {tree!r}")
    variance = np.maximum(area[:, None] * (2 * sigmas) ** 2, LEAST_VARIANCE)
    reach = rules.radius / rules.step
    at, value = kernels.expected_oks(votes, cells * unit, score, variance, reach, rules.moves)
    return at / unit, value
