"""PersonLab outputs to poses."""

from dataclasses import replace
from typing import Any, cast

import numpy as np

from refine.decoding.personlab.arrays import (
    Compat,
    PersonLabRules,
    decode_personlab,
    personlab_tree,
    rules_of,
)
from refine.decoding.presets import Preset
from refine.decoding.raw.channels import channels_first
from refine.decoding.raw.image import RawImage
from refine.poses import Poses
from refine.skeletons import skeleton as find_skeleton


def decode_personlab_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    rules: str | PersonLabRules | None = None,
    threshold: float | None = None,
    nms_radius: float | None = None,
    steps: int | None = None,
    max_poses: int | None = None,
    min_score: float | None = None,
    compat: Compat | None = None,
    skeleton: str | None = None,
) -> Poses:
    """Decode the heatmaps and offsets of one image.

    Args:
        raw: with arrays `heatmaps_logits` (or `heatmaps`, probabilities), `short_offsets` and
            `mid_offsets` (or `displacements_fwd` and `displacements_bwd`), channels first or last.
        preset: of family "personlab"; the options below override its rules.
        rules: see `decode_personlab`.
        threshold: see `PersonLabRules`, as the next four.
        nms_radius: px.
        steps: offset refinements.
        max_poses: most people.
        min_score: lowest instance score.
        compat: see `decode_personlab`.
        skeleton: of the maps.

    Returns:
        poses in image px; `score_kind` "probability", or "expected_ks" for expected OKS.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    chosen = rules or preset.options["rules"]
    system = chosen if isinstance(chosen, PersonLabRules) else rules_of(chosen)
    changes = {
        "threshold": threshold,
        "nms_radius": nms_radius,
        "steps": steps,
        "max_poses": max_poses,
        "min_score": min_score,
    }
    changes = {k: v for k, v in changes.items() if v is not None}
    system = replace(system, **changes)  # type: ignore[arg-type]
    name = skeleton or preset.skeleton
    k, e = len(find_skeleton(name)), len(personlab_tree(name))
    logits = "heatmaps_logits" in raw.arrays
    heatmaps = channels_first(raw, k, "heatmaps_logits", "heatmaps")
    short = channels_first(raw, 2 * k, "short_offsets", "offsets")
    if "displacements_fwd" in raw.arrays:
        ways = ("displacements_fwd", "displacements_bwd")
        mid = np.concatenate([channels_first(raw, 2 * e, way) for way in ways])
    else:
        mid = channels_first(raw, 4 * e, "mid_offsets")
    found = decode_personlab(
        heatmaps,
        short,
        mid,
        float(raw.meta.get("stride", preset.stride)),
        system,
        logits=logits,
        tree=name,
        compat=compat or cast(Compat | None, preset.compat),
    )
    poses = Poses.from_arrays(
        find_skeleton(name),
        raw.to_image(found.xy),
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="expected_ks" if system.score == "expected-oks" else "probability",
    )
    told: dict[str, Any] = {"preset": preset.name, **changes}
    if isinstance(chosen, str):
        told["rules"] = chosen
    return poses.done("decode", None, **told)
