"""PersonLab outputs to poses."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refine.decoding.family import Count, Family, Options, Stride
from refine.decoding.personlab.arrays import (
    Compat,
    PersonLabRules,
    decode_personlab,
    find_rules,
    personlab_tree,
)
from refine.decoding.raw.image import RawImage, channels_first, read_image_outputs
from refine.exceptions import ArrayError
from refine.poses import Poses

CHANGES = ("threshold", "nms_radius", "steps", "max_poses", "min_score")
"""Options that change an entry of the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLabOptions(Options):
    """How heatmaps and offsets become people.

    Attributes:
        rules: see `decode_personlab`.
        threshold: see `PersonLabRules`; by default that of the rules, as the next four.
        nms_radius: see `PersonLabRules`.
        steps: see `PersonLabRules`.
        max_poses: see `PersonLabRules`.
        min_score: see `PersonLabRules`.
        compat: see `decode_personlab`.
        stride: input px per cell, where the file does not say.
    """

    rules: str | PersonLabRules = "tfjs"
    threshold: float | None = None
    nms_radius: float | None = None
    steps: Count | None = None
    max_poses: Count | None = None
    min_score: float | None = None
    compat: Compat | None = None
    stride: Stride = 16

    def changes(self) -> dict[str, Any]:
        """Return what differs from the rules."""
        entries = {name: getattr(self, name) for name in CHANGES}
        return {name: value for name, value in entries.items() if value is not None}

    def history_parameters(self, raw: RawImage) -> dict[str, Any]:
        """Tell the name of the rules, if they have one, and what differs."""
        named = {"rules": self.rules} if isinstance(self.rules, str) else {}
        return self.changes() | named


def decode_personlab_outputs(raw: RawImage, options: PersonLabOptions) -> Poses:
    """Decode the heatmaps and offsets of one image.

    Args:
        raw: with arrays `heatmaps_logits` (or `heatmaps`, probabilities), `short_offsets` and
            `mid_offsets` (or `displacements_fwd` and `displacements_bwd`), channels first or last.
        options: how.

    Returns:
        poses in image px; `score_kind` "probability", or "expected_ks" for expected OKS.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
        SkeletonError: no mid-range offsets are known for the skeleton.
        ArrayError: maps of different sizes, or an option out of range.
    """
    rules = replace(find_rules(options.rules), **options.changes())
    tree = options.skeleton.name
    k, e = len(options.skeleton), len(personlab_tree(tree))
    heatmaps = channels_first(raw, k, "heatmaps_logits", "heatmaps")
    short = channels_first(raw, 2 * k, "short_offsets", "offsets")
    if "displacements_fwd" in raw.arrays:
        ways = ("displacements_fwd", "displacements_bwd")
        there, back = (channels_first(raw, 2 * e, way) for way in ways)
        if there.shape != back.shape:
            raise ArrayError(
                f"expected {' and '.join(ways)} of one shape, got {there.shape} and {back.shape}"
            )
        mid = np.concatenate([there, back])
    else:
        mid = channels_first(raw, 4 * e, "mid_offsets")
    found = decode_personlab(
        heatmaps,
        short,
        mid,
        raw.stride(options.stride),
        rules,
        logits="heatmaps_logits" in raw.arrays,
        tree=tree,
        compat=options.compat,
    )
    return Poses.from_arrays(
        options.skeleton,
        raw.to_image(found.xy),
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="expected_ks" if rules.score == "expected-oks" else "probability",
    )


FAMILY = Family(
    "personlab",
    RawImage,
    read_image_outputs,
    PersonLabOptions,
    decode_personlab_outputs,
    (("heatmaps", "heatmaps_logits"), ("short_offsets", "offsets"), ("mid_offsets",)),
)
