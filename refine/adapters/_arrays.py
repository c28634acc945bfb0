"""What all adapters need: tensors in, arrays out, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton, skeleton as find_skeleton


def to_array(values: Any) -> npt.NDArray[Any]:
    """Return an array, or a tensor of any device, as a NumPy array.

    >>> import torch
    >>> to_array(torch.ones(2, requires_grad=True)).tolist()
    [1.0, 1.0]
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    return np.asarray(values)


def as_type_of(values: npt.NDArray[Any], other: Any) -> Any:
    """Return an array as the kind, type and device of another array or tensor.

    >>> as_type_of(np.array([1.5]), np.zeros(3, np.float32)).dtype
    dtype('float32')
    """
    return other.new_tensor(values) if hasattr(other, "new_tensor") else values.astype(other.dtype)


def frames_of(given: Any, mark: str) -> Iterable[Any]:
    """Return frames, one per image, of one, a sequence or a generator.

    Args:
        given: what the caller has.
        mark: an attribute that one frame has; some frames can be iterated over, too.

    >>> list(frames_of((frame for frame in "ab"), "keypoints"))
    ['a', 'b']
    """
    return [given] if hasattr(given, mark) else given


def joined(parts: Sequence[Poses], skeleton: Skeleton, kind: ScoreKind) -> Poses:
    """Return the poses of all frames, none of no frames."""
    if not parts:
        return Poses.empty(skeleton).replace(score_kind=kind)
    return Poses.concat(parts)


def as_skeleton(given: str | Skeleton) -> Skeleton:
    """Return a skeleton given as itself or by name.

    >>> len(as_skeleton("coco17"))
    17
    """
    return find_skeleton(given)


def zero_missing(poses: Poses) -> tuple[Floats32, Floats32]:
    """Return xy (N, K, 2) and score (N, K) with zeros where a joint or a score is missing.

    >>> poses = Poses.from_arrays(Skeleton("dot", ("dot",)), [[[np.nan, np.nan]]], [[0.9]])
    >>> [a.tolist() for a in zero_missing(poses)]
    [[[[0.0, 0.0]]], [[0.0]]]
    """
    present = poses.present
    score = np.where(present & np.isfinite(poses.score), poses.score, 0.0)
    return np.where(present[..., None], poses.xy, 0.0).astype(np.float32), score.astype(np.float32)
