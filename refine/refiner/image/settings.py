"""How image refiners are trained: the settings, and their presets in `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import Any, ClassVar, Self

from refine.exceptions import RefineError


@dataclass(frozen=True, slots=True)
class LightSettings:
    """How to train the light network.

    Attributes:
        epochs: passes over the persons, each with fresh errors.
        batch: crops per step, over all processes.
        size: width and height of the network input, px.
        backbone: file in ``backbones/``.
        width: channels of the pyramid.
        rate: peak learning rate of AdamW for what is new; linear warm-up, cosine to zero.
        backbone_rate: factor on it for what ImageNet trained.
        decay: weight decay.
        fine: weight of the soft-argmax's error against the maps' cross-entropy.
        statistics: error table that the imaginary estimators scale, see ``stats/``.
        extra: names of the joints beyond the image-free refiner's.
        seed: of everything that is drawn.
        mixed: bfloat16 convolutions.
    """

    architecture: ClassVar[str] = "light"
    epochs: int = 12
    batch: int = 32
    size: tuple[int, int] = (144, 192)
    backbone: str = "efficientnet"
    width: int = 64
    rate: float = 1e-3
    backbone_rate: float = 0.5
    decay: float = 1e-4
    fine: float = 0.1
    statistics: str = "posefix"
    extra: tuple[str, ...] = ("neck", "head_top")
    seed: int = 0
    mixed: bool = True

    def change(self, changes: Mapping[str, Any]) -> Self:
        """Return the settings with some changed."""
        return replace(self, **changes)


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

    architecture: ClassVar[str] = "posefix"
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

    @property
    def extra(self) -> tuple[str, ...]:
        """Names of the joints beyond the image-free refiner's: none."""
        return ()

    def change(self, changes: Mapping[str, Any]) -> Self:
        """Return the settings with some changed; `drops` move in proportion to `epochs`."""
        share = changes.get("epochs", self.epochs) / self.epochs
        drops = tuple(round(epoch * share) for epoch in self.drops)
        return replace(self, **{"drops": drops, **changes})


ImageSettings = LightSettings | PoseFixSettings
SETTINGS: dict[str, type[LightSettings] | type[PoseFixSettings]] = {
    made.architecture: made for made in (LightSettings, PoseFixSettings)
}
"""By the architecture that a row of ``presets.toml`` names."""
NOTES = ("architecture", "source")
"""Keys of a row that are no settings."""


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship.

    >>> preset_names()[:2]
    ('light', 'posefix-r50-256')
    """
    return tuple(preset_rows())


def read_preset(name: str, **changes: Any) -> ImageSettings:
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
    made = SETTINGS[row["architecture"]]
    known = {f.name for f in fields(made)}
    if unknown := sorted(set(changes) - known):
        raise RefineError(
            f"expected settings that preset {name!r} has, got {unknown[0]!r}",
            hint=f"some of {', '.join(sorted(known))}",
        )
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k not in NOTES
    }
    return made(**values).change(changes)


def preset_rows() -> dict[str, dict[str, Any]]:
    """Read ``presets.toml``."""
    text = (resources.files("refine.refiner.image") / "presets.toml").read_text("utf-8")
    return tomllib.loads(text)
