"""What decoders of whole images find."""

from typing import NamedTuple

from refine._types import Bools, Floats, Indices


class Decoded(NamedTuple):
    """N people of one image.

    Attributes:
        xy: (N, K, 2) in the px or cells of the decoder, NaN where a joint is missing.
        score: (N, K), NaN where a joint is missing or has none.
        instance_score: (N,).
    """

    xy: Floats
    score: Floats
    instance_score: Floats


class Detections(NamedTuple):
    """N people of one image and their boxes.

    Attributes:
        xy: (N, K, 2) network-input px.
        score: (N, K), NaN where the network gives none.
        instance_score: (N,).
        box: (N, 4) xyxy network-input px.
        label: (N,) class, from 0, or None where the network knows one class.
    """

    xy: Floats
    score: Floats
    instance_score: Floats
    box: Floats
    label: Indices | None = None

    def take(self, rows: Indices | Bools) -> "Detections":
        """Select people by indices or mask."""
        label = None if self.label is None else self.label[rows]
        return Detections(
            self.xy[rows], self.score[rows], self.instance_score[rows], self.box[rows], label
        )
