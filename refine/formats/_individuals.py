"""Individuals: names under which trackers of animals hold poses, and the tracks that they are."""

import re
from collections.abc import Sequence

from refine.poses import Poses

FIELD = "individual"
"""In `Poses.extra`: the name, where a track alone does not tell it."""

FIRST = {"individual": 1, "track_": 0, "id_": 0}
"""What DeepLabCut, SLEAP and movement call individuals of no other name, and the first number."""

SLOT = "pose"
"""What poses without a track are called here, with their number in the image behind it; where a
name is needed, tools leave it open whether it is one individual's."""

_NUMBERED = re.compile(rf"({'|'.join(FIRST)})(\d{{1,15}})")
_SLOTS = re.compile(rf"{SLOT}[1-9]\d*")


def tracks_of(names: Sequence[str]) -> list[int | None]:
    """Return the track of each individual, None for those that are poses without one.

    It is the number in the name where all are numbered alike, else the place among the names.

    >>> tracks_of(["id_3", "id_0", "pose1"]), tracks_of(["Tom", "id_7"])
    ([3, 0, None], [0, 1])
    """
    real = [name for name in names if not is_slot(name)]
    found = [_NUMBERED.fullmatch(name) for name in real]
    numbers = {m[0]: int(m[2]) - FIRST[m[1]] for m in found if m and str(int(m[2])) == m[2]}
    alike = len({m[1] for m in found if m}) == 1 and len(numbers) == len(set(real))
    if not alike or min(numbers.values()) < 0:
        numbers = {name: i for i, name in enumerate(names)}
    return [None if is_slot(name) else numbers[name] for name in names]


def own_names(names: Sequence[str], prefix: str) -> dict[str, str]:
    """Return the names that do not follow from the tracks, for `Poses.extra`."""
    told = zip(names, tracks_of(names), strict=True)
    return {
        name: name for name, track in told if track is not None and name != _name(track, prefix)
    }


def individuals_of(poses: Poses, prefix: str) -> list[str]:
    """Name the individual of each pose, by name or track, else by its place in the image.

    Names count where each belongs to one track throughout. Of several poses of one individual in an
    image the first is that individual, the others are poses without a track.

    >>> body = [[[1.0, 2.0]] * 17] * 2
    >>> individuals_of(Poses.from_arrays("coco17", body), "individual")
    ['pose1', 'pose2']
    """
    tracks = [-1] * len(poses) if poses.track is None else poses.track.tolist()
    told = [extra.get(FIELD) for extra in poses.extra]
    names = [name if isinstance(name, str) and name.strip() == name else "" for name in told]
    by_track = [_name(track, prefix) if track >= 0 else "" for track in tracks]
    pairs = {(name or own, track) for name, own, track in zip(names, by_track, tracks, strict=True)}
    pairs = {(name, track) for name, track in pairs if name}
    known = [track for _, track in pairs if track >= 0]
    clash = len({name for name, _ in pairs}) < len(pairs) or len({*known}) < len(known)
    clash = clash or any(map(is_slot, names))
    out = by_track if clash else [a or b for a, b in zip(names, by_track, strict=True)]
    for _, rows in poses.by_image():
        seen = {""}
        for q, i in enumerate(rows.tolist()):
            out[i] = f"{SLOT}{q + 1}" if out[i] in seen else out[i]
            seen.add(out[i])
    return out


def note_repeats(poses: Poses, *, prefix: str) -> tuple[Poses, tuple[str, ...]]:
    """Return poses as they are, and how many are not the first of their individual in an image."""
    known = [has_name(poses, i) for i in range(len(poses))]
    slots = map(is_slot, individuals_of(poses, prefix))
    count = sum(a and b for a, b in zip(known, slots, strict=True))
    note = f"track of {count} poses: another in the image has it, too"
    return poses, (note,) if count else ()


def is_slot(name: str) -> bool:
    """Whether a name is that of a pose without a track."""
    return _SLOTS.fullmatch(name) is not None


def has_name(poses: Poses, i: int) -> bool:
    """Whether a pose has a track or a name."""
    tracked = poses.track is not None and poses.track[i] >= 0
    return bool(tracked or poses.extra[i].get(FIELD))


def _name(track: int, prefix: str) -> str:
    return f"{prefix}{track + FIRST[prefix]}"
