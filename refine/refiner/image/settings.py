"""How PoseFix is trained: the settings, and their presets in `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import Any, Self

from refine.exceptions import RefineError


@dataclass(frozen=True, slots=True)
class PoseFixSettings:
    """How to train PoseFix as published; the defaults are those of its main/config.py.

    Attributes:
        epochs: passes over the persons, each with fresh errors.
        batch: crops per step, over all processes; 16 on each of 2 GPUs.
        size: width and height of the network input, px.
        depth: of the ResNet, 50, 101 or 152.
        sigma: of the rendered input pose, px.
        rate: learning rate of Adam.
        drops: epochs from which it is a tenth of what it was.
        decay: weight decay, as a penalty in the loss.
        statistics: error table.
        seed: of everything that is drawn.
        mixed: bfloat16 convolutions.
    """

    epochs: int = 140
    batch: int = 32
    size: tuple[int, int] = (192, 256)
    depth: int = 152
    sigma: float = 7.0
    rate: float = 5e-4
    drops: tuple[int, ...] = (90, 120)
    decay: float = 1e-5
    statistics: str = "posefix"
    seed: int = 0
    mixed: bool = True

    def change(self, changes: Mapping[str, Any]) -> Self:
        """Return the settings with some changed; `drops` move in proportion to `epochs`."""
        share = changes.get("epochs", self.epochs) / self.epochs
        drops = tuple(round(epoch * share) for epoch in self.drops)
        return replace(self, **{"drops": drops, **changes})


SOURCE = "source"
"""Key of a row that is no setting: where it is from."""


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship.

    >>> preset_names()[0]
    'posefix-r50-256'
    """
    return tuple(preset_rows())


def read_preset(name: str, **changes: Any) -> PoseFixSettings:
    """Look up a preset and change some of its settings.

    Where `epochs` is changed, the epochs at which the rate drops move in proportion.

    Raises:
        RefineError: no such preset, or one without such a setting.

    >>> read_preset("posefix-r152-384", epochs=14).drops
    (9, 12)
    """
    try:
        row = preset_rows()[name]
    except KeyError:
        raise RefineError(
            f"expected the name of a preset, got {name!r}",
            hint=f"one of {', '.join(preset_names())}",
        ) from None
    known = {f.name for f in fields(PoseFixSettings)}
    if unknown := sorted(set(changes) - known):
        raise RefineError(
            f"expected settings that preset {name!r} has, got {unknown[0]!r}",
            hint=f"some of {', '.join(sorted(known))}",
        )
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k != SOURCE
    }
    return PoseFixSettings(**values).change(changes)


def preset_rows() -> dict[str, dict[str, Any]]:
    """Read ``presets.toml``."""
    text = (resources.files("refine.refiner.image") / "presets.toml").read_text("utf-8")
    return tomllib.loads(text)
