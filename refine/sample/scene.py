"""Pictures of people, annotated as COCO annotates."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from refine._types import Bools, Floats
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.sample.figure import ACTIONS, AT, BODY, POINTS, draw_figures

Picture = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]

_SIDES = ("left", "right")
PARTS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("trunk", ("left_shoulder", "right_shoulder", "right_hip", "left_hip", "left_shoulder"), 0.036),
    ("trunk", ("neck", "pelvis"), 0.068),
    ("head", ("neck", "head"), 0.034),
    ("head", ("head", "head"), 0.06),
    *((f"{s} arm", (f"{s}_shoulder", f"{s}_elbow"), 0.033) for s in _SIDES),
    *((f"{s} forearm", (f"{s}_elbow", f"{s}_wrist", f"{s}_hand"), 0.025) for s in _SIDES),
    *((f"{s} thigh", (f"{s}_hip", f"{s}_knee"), 0.05) for s in _SIDES),
    *((f"{s} shank", (f"{s}_knee", f"{s}_ankle"), 0.036) for s in _SIDES),
    *((f"{s} foot", (f"{s}_ankle", f"{s}_toe"), 0.025) for s in _SIDES),
)
"""What fills the outline: name, the points that it runs along, half its thickness over stature."""
PART_NAMES = tuple(dict.fromkeys(name for name, _, _ in PARTS))
FACE = np.array([region == "head" for region in BODY.regions])
CARRIES = np.array(
    [
        [any(p == part and joint in along for p, along, _ in PARTS) for part in PART_NAMES]
        for joint in BODY.joints
    ]
)
CARRIES[FACE, PART_NAMES.index("head")] = True
"""Which parts (K, parts) a joint is on; they never hide it."""

JOINT_RADIUS = 0.03
"""Over stature: how far around a joint annotators see it."""
FACING = 0.02
"""Over stature: how far behind the head's centre a point of the face lies that is turned away."""

SHAPES = ((640, 480), (480, 640))
"""Widths and heights of images, the commonest of COCO."""
CROWD = (0.35, 0.3, 0.2, 0.1, 0.05)
"""How many images show 1, 2, ... persons."""
LEAST_JOINTS, LEAST_AREA = 4, 32**2
"""What must be seen of a person: joints, and px^2, of which COCO evaluates none below 32^2."""
LABELLED = {"face": 0.2, "self": 0.85, "others": 0.6}
"""How often annotators mark a joint that is turned away, behind the own body, behind others. With
these a fifth of all joints is not labelled and a twelfth hidden, as on COCO val2017."""


def make_people(images: int, rng: np.random.Generator) -> tuple[Poses, tuple[Picture, ...]]:
    """Make pictures of 1 to 5 people each, and annotate them as COCO does.

    Joints outside the image are not labelled; hidden ones have v = 1 or are not labelled.

    Returns:
        the truth, its scores the flags v, with box and area of what is seen of every person; and
        a picture (H, W) of grey values for every image.

    Raises:
        ArrayError: less than one image.

    >>> truth, pictures = make_people(3, np.random.default_rng(0))
    >>> len(pictures), truth.skeleton.name, truth.score_kind
    (3, 'coco17', 'flag')
    """
    if images < 1:
        raise ArrayError(f"expected at least 1 image, got {images}")
    parts, pictures = [], []
    for number in range(images):
        size = SHAPES[int(rng.random() < 0.3)]
        ref = ImageRef(number + 1, f"{number + 1:06d}.png", *size)
        poses = None
        while poses is None:
            poses, labels = _make_scene(ref, size, rng)
        parts.append(poses)
        pictures.append(shade(labels, rng))
    return Poses.concat(parts), tuple(pictures)


def _make_scene(
    ref: ImageRef, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Poses | None, Labels]:
    """Set people in one image; None for poses if next to nothing is seen of one of them."""
    count = 1 + int(rng.choice(len(CROWD), p=CROWD))
    actions = [list(ACTIONS)[i] for i in rng.integers(0, len(ACTIONS), count)]
    points, depth, stature = _arrange(draw_figures(actions, rng), size, rng)
    labels = paint(points, depth, stature, size)
    flags = _annotate(points, depth, stature, labels, rng)
    seen = [labels // 100 == n + 1 for n in range(count)]
    area = np.array([s.sum() for s in seen], np.float64)
    if (flags > 0).sum(1).min() < LEAST_JOINTS or area.min() < LEAST_AREA:
        return None, labels
    xy = np.where(flags[..., None] > 0, points[:, : len(BODY)].round(2), np.nan)
    box = np.array([_box(s) for s in seen])
    poses = Poses.from_arrays(
        BODY, xy, flags, images=[ref], score_kind="flag", box=box, area=area
    ).replace(extra=tuple({"action": action} for action in actions))
    return poses, labels


def _arrange(
    figures: Floats, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Set figures (N, P, 3) before one camera, the farthest first.

    Returns:
        points (N, P, 2) px, depth (N, P) px toward the camera, stature (N,) px.
    """
    n, (width, height) = len(figures), size
    # People rather face the camera than not; it looks slightly down and is hardly tilted.
    angles = np.empty((n, 3))
    angles[:, 0] = rng.normal(0, 75, n)
    angles[:, 1:] = rng.normal(5, 7), rng.normal(0, 3)
    view = Rotation.from_euler("yxz", angles, degrees=True)
    seen = np.stack([view.apply(figures[:, p]) for p in range(len(POINTS))], 1)
    stature, centre = np.empty(n), np.empty((n, 2))
    for i in range(n):
        if i and rng.random() < 0.6:
            beside = rng.integers(0, i)
            stature[i] = stature[beside] * np.exp(rng.normal(0, 0.12))
            aside = rng.choice([-1, 1]) * rng.uniform(0.12, 0.45)
            centre[i] = centre[beside] + stature[i] * np.array([aside, rng.normal(0, 0.05)])
        else:
            stature[i] = height * np.exp(rng.uniform(np.log(0.35), np.log(1.8)))
            centre[i] = rng.uniform(0.1, 0.9) * width, rng.uniform(0.4, 0.9) * height
    near = np.argsort(stature, kind="stable")
    seen, stature, centre = seen[near], stature[near], centre[near]
    points = centre[:, None] + seen[..., :2] * [1, -1] * stature[:, None, None]
    return points, seen[..., 2] * stature[:, None], stature


def paint(points: Floats, depth: Floats, stature: Floats, size: tuple[int, int]) -> Labels:
    """Paint people over one another: (H, W) of 100 * (person + 1) + part, 0 where there is none."""
    image = Image.new("I", size)
    draw = ImageDraw.Draw(image)
    for n in range(len(points)):
        order = sorted(PARTS, key=lambda part: depth[n, [AT[p] for p in part[1]]].mean())
        for name, along, half in order:
            label = 100 * (n + 1) + PART_NAMES.index(name)
            line, r = [tuple(points[n, AT[p]]) for p in along], half * stature[n]
            if len(line) > 3:
                draw.polygon(line, fill=label)
            draw.line(line, fill=label, width=max(1, round(2 * r)))
            for x, y in line:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=label)
    return np.asarray(image, np.int32)


def _annotate(
    points: Floats, depth: Floats, stature: Floats, labels: Labels, rng: np.random.Generator
) -> Floats:
    """Return the flags v (N, K): 2 seen, 1 hidden, 0 outside the image or not marked."""
    n, k = len(points), len(BODY)
    xy = points[:, :k]
    height, width = labels.shape
    inside = ((xy > -0.5) & (xy < (width - 0.5, height - 0.5))).all(-1)
    # A joint is no point: it is seen where some of the parts that it joins show around it.
    around = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) * JOINT_RADIUS
    spots = (xy[:, :, None] + around * stature[:, None, None, None]).round().astype(int)
    on_top = labels[spots[..., 1].clip(0, height - 1), spots[..., 0].clip(0, width - 1)]
    mine = on_top // 100 - 1 == np.arange(n)[:, None, None]
    seen = (mine & CARRIES[np.arange(k)[:, None], on_top % 100]).any(-1)
    away = FACE & (depth[:, :k] < depth[:, [AT["head"]]] - FACING * stature[:, None])
    chance = np.where(seen, 1.0, np.where(mine.any(-1), LABELLED["self"], LABELLED["others"]))
    chance[away] = LABELLED["face"]
    return np.where(seen & ~away, 2.0, 1.0) * (inside & (rng.random((n, k)) < chance))


def _box(seen: Bools) -> Floats:
    """Return the box xyxy around what is seen of a person; nothing seen is the first pixel."""
    columns, rows = (np.flatnonzero(seen.any(axis)) for axis in (0, 1))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def shade(labels: Labels, rng: np.random.Generator) -> Picture:
    """Draw a picture (H, W) of painted people: light grey, every part with a darker outline."""
    tone = np.array([246, *rng.uniform(196, 222, labels.max() // 100)])
    outline = np.zeros(labels.shape, np.bool_)
    for axis in (0, 1):
        outline |= labels != np.roll(labels, 1, axis)
    return np.asarray(np.where(outline & (labels > 0), 165, tone[labels // 100]), np.uint8)
