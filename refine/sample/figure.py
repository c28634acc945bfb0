"""Jointed figures with human proportions, in three dimensions.

Proportions: Drillis & Contini, Body Segment Parameters, 1966, as in Winter, Biomechanics and Motor
Control of Human Movement, 4th ed. 2009, figure 4.1; head: Gordon et al., 1988 Anthropometric
Survey of U.S. Army Personnel, 1989. Angles in walking: Winter, chapter 3. The spreads of angles
and lengths are ours.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from refine._types import Floats
from refine.skeletons import skeleton

BODY = skeleton("coco17")
POINTS = (
    *BODY.joints,
    *("neck", "pelvis", "head", "left_hand", "right_hand", "left_toe", "right_toe"),
)
"""The P points of a figure: the joints, and what else shapes its outline."""
AT = {name: i for i, name in enumerate(POINTS)}

LENGTHS = {
    "trunk": 0.288,
    "neck": 0.085,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "hand": 0.070,
    "thigh": 0.245,
    "shank": 0.246,
    "foot": 0.110,
    "half_shoulders": 0.110,
    "half_hips": 0.065,
    "head": 1.0,
}
"""Segment lengths over stature. Joints lie inside the half breadths, .129 and .096; a hand is
half closed; "head" scales `HEAD`."""

HEAD = {
    "head": (0.0, 0.035, 0.010),
    "nose": (0.0, 0.007, 0.068),
    "left_eye": (0.018, 0.033, 0.050),
    "right_eye": (-0.018, 0.033, 0.050),
    "left_ear": (0.048, 0.023, 0.0),
    "right_ear": (-0.048, 0.023, 0.0),
}
"""Left, up and forward of the top of the neck, over stature."""

LIMITS = {
    "lean": (-15, 60),
    "bend": (-25, 25),
    "twist": (-40, 40),
    "nod": (-30, 45),
    "look": (-70, 70),
    "raise": (-50, 175),
    "spread": (-5, 150),
    "turn": (-60, 80),
    "elbow": (0, 145),
    "hip": (-20, 115),
    "straddle": (-5, 45),
    "knee": (0, 135),
}
"""Degrees that joints allow: lean, bend and twist of the trunk; nod and look of the head; raise
(forward), spread (sideways) and turn (inward) of the upper arm; elbow; hip, straddle, knee."""

SIDED = ("raise", "spread", "turn", "elbow", "hip", "straddle", "knee")

REST: Mapping[str, tuple[float, float]] = {
    "lean": (3, 6),
    "bend": (0, 5),
    "twist": (0, 10),
    "nod": (5, 12),
    "look": (0, 25),
    "raise": (3, 14),
    "spread": (9, 7),
    "turn": (15, 20),
    "elbow": (22, 20),
    "hip": (2, 6),
    "straddle": (4, 4),
    "knee": (5, 6),
}
"""Mean and spread of the angles in degrees."""

ACTIONS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "standing": {},
    "walking": {"lean": (5, 4), "elbow": (30, 20)},
    "sitting": {
        "lean": (5, 12),
        "raise": (30, 20),
        "turn": (30, 20),
        "elbow": (60, 30),
        "hip": (82, 12),
        "straddle": (10, 9),
        "knee": (85, 20),
    },
    "reaching": {"lean": (18, 15), "twist": (0, 18), "hip": (12, 14), "knee": (15, 15)},
    "arms raised": {"raise": (110, 45), "spread": (40, 30), "elbow": (40, 35)},
}
"""Action -> the angles that are not as in `REST`."""


def draw_figures(actions: Sequence[str], rng: np.random.Generator) -> Floats:
    """Draw people of stature 1, each in one of `ACTIONS`.

    Returns:
        (N, P, 3): `POINTS` left, up and forward of the pelvis, seen by the person.

    >>> figure = draw_figures(["sitting"], np.random.default_rng(0))[0]
    >>> bool(figure[AT["left_knee"], 2] > figure[AT["left_hip"], 2] + 0.15)
    True
    """
    return _stand(_draw_angles(actions, rng), len(actions), rng)


def draw_walk(phase: Floats, rng: np.random.Generator) -> Floats:
    """Draw one person of stature 1 who walks.

    Args:
        phase: (T,) radians of the gait, 2 pi for two steps.
        rng: what kind of person, and how upright.

    Returns:
        (T, P, 3), see `draw_figures`.

    >>> draw_walk(np.linspace(0, 6, 5), np.random.default_rng(0)).shape
    (5, 24, 3)
    """
    return _stand(_draw_angles(["walking"], rng, phase), 1, rng)


def _stand(angle: Mapping[str, Floats], n: int, rng: np.random.Generator) -> Floats:
    """Set up figures of some angles, for one or for each of `n` people."""
    # People differ by about a twentieth in every segment; both sides of one are alike.
    size = {k: v * np.exp(rng.normal(0, 0.05, (n, 1))) for k, v in LENGTHS.items()}
    up, left = np.array([0.0, 1, 0]), np.array([1.0, 0, 0])
    out = np.zeros((len(angle["lean"]), len(POINTS), 3))
    trunk = _turn("YZX", angle["twist"], angle["bend"], angle["lean"])
    out[:, AT["neck"]] = neck = trunk.apply(up * size["trunk"])
    base = neck + trunk.apply(np.array([0, 1, 0.2]) * size["neck"])
    skull = trunk * _turn("YX", angle["look"], angle["nod"])
    for point, place in HEAD.items():
        out[:, AT[point]] = base + skull.apply(np.array(place) * size["head"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        a = {joint: angle[f"{side} {joint}"] for joint in SIDED}
        arm = trunk * _turn("ZXY", sign * a["spread"], -a["raise"], -sign * a["turn"])
        fore = arm * _turn("X", -a["elbow"])
        shoulder = neck + trunk.apply(sign * left * size["half_shoulders"])
        elbow = shoulder - arm.apply(up * size["upper_arm"])
        wrist = elbow - fore.apply(up * size["forearm"])
        thigh = _turn("ZX", sign * a["straddle"], -a["hip"])
        shank = thigh * _turn("X", a["knee"])
        hip = sign * left * size["half_hips"]
        knee = hip - thigh.apply(up * size["thigh"])
        ankle = knee - shank.apply(up * size["shank"])
        points = {
            "shoulder": shoulder,
            "elbow": elbow,
            "wrist": wrist,
            "hand": wrist - fore.apply(up * size["hand"]),
            "hip": hip,
            "knee": knee,
            "ankle": ankle,
            "toe": ankle + shank.apply(np.array([0, -0.3, 1]) * size["foot"]),
        }
        for name, point in points.items():
            out[:, AT[f"{side}_{name}"]] = point
    return out


def _turn(axes: str, *degrees: Floats) -> Rotation:
    return Rotation.from_euler(axes, np.stack(degrees, 1), degrees=True)


def _draw_angles(
    actions: Sequence[str], rng: np.random.Generator, phase: Floats | None = None
) -> dict[str, Floats]:
    """Draw degrees for every joint; those of sided ones are named "left knee".

    They are (N,), or (T,) for one person in T phases of the gait; by default phases are drawn.
    """
    n = len(actions)
    out: dict[str, Floats] = {}
    for joint in LIMITS:
        mean, spread = np.array([ACTIONS[a].get(joint, REST[joint]) for a in actions]).T
        for side in ("left ", "right ") if joint in SIDED else ("",):
            out[side + joint] = mean + spread * rng.normal(size=n)
    doing = np.array(actions)
    drawn = rng.uniform(0, 2 * np.pi, n) if phase is None else phase
    reaching_arm = rng.integers(0, 2, n)
    for number, side in enumerate(("left", "right")):
        # Hip from -10 to 30 degrees, knee up to 60 in the swing; arms swing against the legs.
        walks, at = doing == "walking", drawn + np.pi * number
        for joint, swing in (
            ("hip", 10 + 20 * np.cos(at)),
            ("knee", 50 * np.cos(at + 0.8).clip(0)),
            ("raise", -20 * np.cos(at)),
        ):
            out[f"{side} {joint}"] = out[f"{side} {joint}"] + np.where(walks, swing, 0)
        reaches = (doing == "reaching") & (reaching_arm == number)
        out[f"{side} raise"] += np.where(reaches, rng.normal(85, 30, n), 0)
    every = np.broadcast_arrays(*out.values(), drawn)
    return {
        name: np.clip(value, *LIMITS[name.split()[-1]])
        for name, value in zip(out, every, strict=False)
    }
