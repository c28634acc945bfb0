"""Whose error it is: what a source's joints look like beside what an eye sees of them.

A perfect source lies in the eye's likelihood as true joints do: half of its joints within the
densest part that holds a half (`refine.refiner.fusion.likelihood.coverage`). A poor one lies
outside more often; one that errs with the eye, or that sees what annotators do not draw, inside.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import torch
from torch import Tensor

from refine._types import Floats32
from refine.exceptions import FormatError
from refine.files import read_bytes, write_bytes
from refine.refiner.fusion.view import View

FORMAT = "refine-profile-1"
PEAKS = (0.2, 0.5)
"""Heights of maxima between which an eye sees dimly; below, it hardly sees a joint."""
WITHIN = (0.5, 0.9)
"""Shares of the likelihood; joints within the densest parts that hold them are counted."""
CLEAR, BETWEEN = 0.3, 2.0
"""Directions are compared where the maximum is higher, and less OKS kernels from the belief."""
PSEUDO = 40.0
"""Joints of `TYPICAL` that are added: little is known of a source from few."""
TYPICAL = (0.55, 0.85, 0.5, 0.85, 0.38, 0.84, 0.1, 0.7)
"""Shares within (hardly, dimly, clearly seen), cosine and similarity of a middling network: about
those of YOLO11n-pose on COCO."""


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """What was counted of a source; profiles of its files add up.

    Attributes:
        poses: how many.
        seen: joints that the eye saw hardly, dimly and clearly.
        half: those of them within the densest half of the likelihood.
        most: those within the densest nine tenths.
        compared: joints of which directions were compared.
        cosine: sum of the cosines of the angles at these joints between what is seen and what is
            believed; a source that errs by itself lies on one side of both.
        joints: in the maps.
        similarity: sum of the similarity that the image-free refiner expects of them.
        eye: weights of the eye, ``"sha256:..."``.
    """

    poses: int
    seen: tuple[float, float, float]
    half: tuple[float, float, float]
    most: tuple[float, float, float]
    compared: float
    cosine: float
    joints: float
    similarity: float
    eye: str

    def __add__(self, other: Self) -> Self:
        """Join what was counted of two files of one source.

        Raises:
            FormatError: profiles by different eyes.
        """
        if self.eye != other.eye:
            raise FormatError(f"expected profiles by one eye, got {self.eye} and {other.eye}")
        mine, theirs = asdict(self), asdict(other)

        def total(name: str) -> Any:
            if isinstance(mine[name], tuple):
                return tuple(a + b for a, b in zip(mine[name], theirs[name], strict=True))
            return mine[name] + theirs[name]

        counted = {f.name: total(f.name) for f in fields(self) if f.name != "eye"}
        return type(self)(**counted, eye=self.eye)

    @property
    def doubt(self) -> float:
        """How little is known of the source: 1 of one without joints, a tenth from 360 on."""
        return PSEUDO / (self.joints + PSEUDO)

    def summary(self) -> dict[str, float]:
        """Return what there is to tell of it: counts, and shares of the joints seen clearly."""
        clear = self.seen[2]
        return {
            "poses": self.poses,
            "joints": int(self.joints),
            "clear": int(clear),
            "half": self.half[2] / max(clear, 1.0),
            "most": self.most[2] / max(clear, 1.0),
        }

    def numbers(self) -> Floats32:
        """Return what the judge is told of the source, (8,), 0 for a middling one."""
        counts = np.array([*np.repeat(self.seen, 2), self.compared, self.joints])
        inside = np.ravel(list(zip(self.half, self.most, strict=True)))
        sums = np.array([*inside, self.cosine, self.similarity])
        typical = np.array(TYPICAL)
        found = (sums + PSEUDO * typical) / (counts + PSEUDO)
        return np.asarray(5 * (found - typical), np.float32)


def measure_source(
    view: View, covered: Tensor, peak: Tensor, height: Tensor, eye: str
) -> SourceProfile:
    """Count what there is to know of a source.

    Args:
        view: of N of its poses.
        covered: (N, K) of `coverage` at their joints.
        peak: (N, K, 2) cells of the maxima of the eye's maps.
        height: (N, K) of the maxima.
        eye: hash of its weights.
    """
    dim, clear = PEAKS
    bands = [height < dim, (height >= dim) & (height < clear), height >= clear]
    bands = [view.there & band for band in bands]

    def counted(share: float) -> tuple[float, float, float]:
        first, second, third = (float((covered[band] < share).sum()) for band in bands)
        return first, second, third

    kernel = view.kernel[..., None]
    seen, believed = (view.own - peak) / kernel, (view.own - view.belief) / kernel
    between = torch.linalg.vector_norm((peak - view.belief) / kernel, dim=-1)
    use = view.there & (height > CLEAR) & (between < BETWEEN)
    lengths = torch.linalg.vector_norm(seen, dim=-1) * torch.linalg.vector_norm(believed, dim=-1)
    cosine = (seen * believed).sum(-1) / lengths.clamp(min=1e-3)
    first, second, third = (float(band.sum()) for band in bands)
    return SourceProfile(
        poses=len(view),
        seen=(first, second, third),
        half=counted(WITHIN[0]),
        most=counted(WITHIN[1]),
        compared=float(use.sum()),
        cosine=float(cosine[use].sum()),
        joints=float(view.there.sum()),
        similarity=float(view.keep[view.there].sum()),
        eye=eye,
    )


def save_profile(path: str | Path, profile: SourceProfile) -> None:
    """Write a profile as JSON.

    Raises:
        FormatError: the target cannot be written.
    """
    held = {"format": FORMAT, **asdict(profile)}
    write_bytes(Path(path), msgspec.json.format(msgspec.json.encode(held), indent=1) + b"\n")


def read_profile(path: str | Path) -> SourceProfile:
    """Read a profile.

    Raises:
        FormatError: not a file of `refine profile`.
    """
    try:
        held = msgspec.json.decode(read_bytes(path))
        if not isinstance(held, Mapping) or held.get("format") != FORMAT:
            raise ValueError(f"no {FORMAT!r}")
        profile = msgspec.convert(
            {k: v for k, v in held.items() if k != "format"}, SourceProfile, strict=True
        )
        counts = [profile.poses, *profile.seen, profile.compared, profile.joints]
        inside = [*profile.half, *profile.most, profile.similarity]
        if min(*counts, *inside) < 0 or not np.isfinite([*counts, *inside, profile.cosine]).all():
            raise ValueError("counts that are negative or not finite")
        shares = zip(profile.half, profile.most, profile.seen, strict=True)
        parts = [(profile.similarity, profile.joints), (abs(profile.cosine), profile.compared)]
        if not all(a <= b <= c for a, b, c in shares) or any(a > b + 1e-3 * b for a, b in parts):
            raise ValueError("counts of more than there is")
    except ValueError as error:
        raise FormatError(
            f"expected a profile of `refine profile`, got: {str(error).splitlines()[0]}",
            where=str(path),
            hint="`refine profile PRED --images DIR -o source.json`",
        ) from None
    return profile
