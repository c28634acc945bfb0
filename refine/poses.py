"""`Poses`: the one data type that every other room speaks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

import refine.sketch as sketch
import refine.tables as tables
from refine._types import Bools, Floats, Indices
from refine.exceptions import ArrayError
from refine.history import Step, join_histories
from refine.skeletons import Skeleton, skeleton as find_skeleton

ScoreKind = Literal[
    "unknown", "none", "flag", "peak", "probability", "logit", "simcc", "expected_ks"
]
"""What a keypoint score is: a visibility flag (0/1/2), a heatmap peak, ... or "none" at all."""


DERIVED_DECIMALS = 3
"""Of derived joints: means of two rounded numbers carry noise in the last bits."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The image that poses belong to; None where the source does not say.

    Attributes:
        id: as in the source, int or str.
        file_name: as in the source.
        width: px.
        height: px.
        frame: number of the frame in its video.
        extra: unknown fields of the source's image record, carried through.
    """

    id: int | str
    file_name: str | None = None
    width: int | None = None
    height: int | None = None
    frame: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("id", "width", "height", "frame"):
            value = getattr(self, name)
            # NumPy's number is no int to who writes files.
            if not (value is None or type(value) is int) and hasattr(value, "item"):
                object.__setattr__(self, name, value.item())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Poses:
    """N poses over any number of images: one frame, a batch and a corpus are the same type.

    `poses[3]`, slices, indices and masks select poses, iteration yields them one by one; each
    is `Poses` again, with all images.

    Attributes:
        skeleton: the K joints.
        xy: (N, K, 2) float64 image px, pixel centres on integers, NaN where a joint is missing.
        score: (N, K) float64 keypoint confidence as the source gave it, never clipped; NaN where
            the source gives none.
        instance_score: (N,) float64, NaN where the source gives none.
        image: (N,) index into `images`.
        images: the images, also those without poses.
        score_kind: what `score` is.
        box: (N, 4) xyxy or None; rows of NaN where a pose has none.
        area: (N,) px^2 or None.
        track: (N,) int64 or None; -1 where a pose has none.
        history: what was done to these poses so far.
        extra: one mapping a pose: unknown fields of the source, carried through.
        meta: unknown fields of the file as a whole, carried through.
    """

    skeleton: Skeleton
    xy: Floats
    score: Floats
    instance_score: Floats
    image: Indices
    images: tuple[ImageRef, ...]
    score_kind: ScoreKind = "unknown"
    box: Floats | None = None
    area: Floats | None = None
    track: npt.NDArray[np.int64] | None = None
    history: tuple[Step, ...] = ()
    extra: tuple[Mapping[str, Any], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.xy.ndim != 3 or self.xy.shape[1:] != (len(self.skeleton), 2):
            raise ArrayError(
                f"expected xy (N, {len(self.skeleton)}, 2) for {self.skeleton.name!r}, "
                f"got {self.xy.shape}"
            )
        n, k, _ = self.xy.shape
        if not self.extra:
            object.__setattr__(self, "extra", ({},) * n)
        for name, shape in (
            ("score", (n, k)),
            ("instance_score", (n,)),
            ("image", (n,)),
            ("box", (n, 4)),
            ("area", (n,)),
            ("track", (n,)),
        ):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ArrayError(f"expected {name} {shape}, got {array.shape}")
        if len(self.extra) != n:
            raise ArrayError(f"expected {n} entries in extra, got {len(self.extra)}")
        if n and not (self.image.min() >= 0 and self.image.max() < len(self.images)):
            raise ArrayError(f"expected image indices 0..{len(self.images) - 1}")

    @classmethod
    def from_arrays(
        cls,
        skeleton: Skeleton | str | Path,
        xy: npt.ArrayLike,
        score: npt.ArrayLike | None = None,
        *,
        instance_score: npt.ArrayLike | None = None,
        image: npt.ArrayLike | None = None,
        images: Sequence[ImageRef] | None = None,
        score_kind: ScoreKind = "unknown",
        box: npt.ArrayLike | None = None,
        area: npt.ArrayLike | None = None,
    ) -> Self:
        """Build poses from plain arrays; all on one image unless `image` says otherwise.

        Args:
            skeleton: the K joints, or their skeleton's name or file.
            xy: (N, K, 2) image px, NaN where missing; (K, 2) is one pose.
            score: (N, K), or None.
            instance_score: (N,), or None.
            image: (N,) index into `images`.
            images: by default one `ImageRef` for every index, its id the index.
            score_kind: what `score` is.
            box: (N, 4) xyxy, or None.
            area: (N,) px^2, or None.

        Raises:
            ArrayError: shapes that do not agree.
            SkeletonError: no such skeleton.

        >>> poses = Poses.from_arrays("coco17", np.zeros((2, 17, 2)))
        >>> len(poses), poses[:1].xy.shape
        (2, (1, 17, 2))
        """
        points = np.array(xy, np.float64)
        points = points[None] if points.ndim == 2 else points
        n, k = points.shape[:2]
        where = np.zeros(n, np.intp) if image is None else np.array(image, np.intp)
        if images is None:
            images = [ImageRef(i) for i in range(int(where.max(initial=0)) + 1)]
        return cls(
            find_skeleton(skeleton),
            points,
            np.full((n, k), np.nan) if score is None else np.array(score, np.float64),
            np.full(n, np.nan) if instance_score is None else np.array(instance_score, np.float64),
            where,
            tuple(images),
            score_kind="none" if score is None else score_kind,
            box=None if box is None else np.array(box, np.float64),
            area=None if area is None else np.array(area, np.float64),
        )

    @classmethod
    def empty(cls, skeleton: Skeleton | str | Path, images: Sequence[ImageRef] = ()) -> Self:
        """Return no poses on some images.

        >>> Poses.empty("coco17").xy.shape
        (0, 17, 2)
        """
        body = find_skeleton(skeleton)
        return cls.from_arrays(body, np.empty((0, len(body), 2)), images=images)

    @classmethod
    def from_pandas(cls, frame: Any, skeleton: Skeleton | str | Path | None = None) -> Self:
        """Read poses from a pandas DataFrame with a row per joint, as `to_pandas` writes them.

        Columns `image_id`, `joint`, `x` and `y` must be there; `skeleton` is for joints whose own
        is not told, see `refine.tables.columns.from_columns`.

        Raises:
            ArrayError: columns or rows that tell no poses.
            SkeletonError: joints that the skeleton lacks.
        """
        return cls._of(tables.from_pandas(frame, skeleton))

    @classmethod
    def from_polars(cls, frame: Any, skeleton: Skeleton | str | Path | None = None) -> Self:
        """Read poses from a polars DataFrame, as `from_pandas` does."""
        return cls._of(tables.from_polars(frame, skeleton))

    @classmethod
    def from_xarray(cls, dataset: Any, skeleton: Skeleton | str | Path | None = None) -> Self:
        """Read poses from an xarray Dataset of `to_xarray` or of movement.

        Raises:
            ArrayError: no `position` of time, space, keypoints and individuals.
            SkeletonError: no such skeleton.
        """
        return cls._of(tables.from_xarray(dataset, skeleton))

    @classmethod
    def _of(cls, given: dict[str, Any]) -> Self:
        return cls(**given | {"images": tuple(ImageRef(**ref) for ref in given["images"])})

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with a row per joint; `from_pandas` gives all back but `meta`.

        The columns are those of the CSV format; rows may be filtered and sorted.
        """
        return tables.to_pandas(self)

    def to_polars(self) -> Any:
        """Return a polars DataFrame with the columns of `to_pandas`."""
        return tables.to_polars(self)

    def to_xarray(self) -> Any:
        """Return an xarray Dataset as movement has it; of `meta` it keeps ``"fps"`` alone."""
        return tables.to_xarray(self)

    def __len__(self) -> int:
        return len(self.xy)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        steps = ", ".join(step.name for step in self.history) or "none"
        return (
            f"<Poses: {len(self)} of {self.skeleton.name}, images: {len(self.images)}, "
            f"score kind: {self.score_kind}, steps: {steps}>"
        )

    def _repr_html_(self) -> str:
        """Return what notebooks show: the poses of the first image drawn, and the first listed."""
        names = [ref.id if ref.file_name is None else ref.file_name for ref in self.images]
        joints = self.present.sum(1)
        rows: list[tuple[object, ...]] = [("", "image", "score", "joints", "track")]
        for i in range(min(len(self), sketch.ROWS_SHOWN + 1)):
            track = "" if self.track is None else self.track[i]
            score = f"{self.instance_score[i]:.3f}"
            rows.append((i, names[self.image[i]], score, joints[i], track))
        return sketch.show(
            repr(self)[1:-1], rows, self.xy[self.image == self.image[:1]], self.skeleton
        )

    @property
    def present(self) -> Bools:
        """Which joints have a position, (N, K)."""
        finite = np.isfinite(self.xy)
        return np.asarray(finite[..., 0] & finite[..., 1])

    @property
    def image_sizes(self) -> Floats:
        """Width and height of each image in px, (I, 2); NaN where unknown."""
        sizes = [(ref.width or np.nan, ref.height or np.nan) for ref in self.images]
        return np.array(sizes, np.float64).reshape(-1, 2)

    def to(self, skeleton: Skeleton | str | Path) -> Self:
        """Map poses onto another skeleton by joint name.

        Joints that the source lacks are missing. Derived joints, like OpenPose's neck, are the mean
        of those they derive from, and missing with them; their score is the least of theirs (as in
        rtmlib and MMPose; AlphaPose takes the mean).

        Raises:
            SkeletonError: no joint is shared, or no such skeleton.

        >>> import refine
        >>> people = Poses.from_arrays(refine.skeleton("coco17"), np.ones((1, 17, 2)))
        >>> bool(people.to("openpose18").present.all())
        True
        """
        target = find_skeleton(skeleton)
        if target == self.skeleton:
            return self
        xy, score = (target.take(values, self.skeleton) for values in (self.xy, self.score))
        has = target.map_from(self.skeleton)[0] >= 0
        for joint, sources in target.derived.items():
            i, of = target.index(joint), [target.index(s) for s in sources]
            if not has[i]:
                xy[:, i] = xy[:, of].mean(1).round(DERIVED_DECIMALS)
                score[:, i] = score[:, of].min(1)
        return self.replace(skeleton=target, xy=xy, score=score)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some attributes changed."""
        return replace(self, **changes)

    def done(self, name: str, weights: str | None = None, **parameters: Any) -> Self:
        """Return a copy whose history tells of one more step."""
        return replace(self, history=(*self.history, Step(name, parameters, weights)))

    def __getitem__(self, rows: int | slice | Sequence[int] | npt.NDArray[Any]) -> Self:
        """Select poses by index, slice, indices or mask; the images all stay.

        Raises:
            IndexError: no such pose.
            ArrayError: indices of several dimensions.

        >>> poses = Poses.from_arrays(find_skeleton("coco17"), np.zeros((2, 17, 2)))
        >>> poses[1]
        <Poses: 1 of coco17, images: 1, score kind: none, steps: none>
        """
        index = np.atleast_1d(np.arange(len(self))[rows])
        if index.ndim != 1:
            raise ArrayError(f"expected an index, a slice, a list or a mask, got {index.ndim}-D")
        arrays: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[index]
            for name in ("xy", "score", "instance_score", "image", "box", "area", "track")
        }
        return replace(self, extra=tuple(self.extra[i] for i in index), **arrays)

    def by_image(self) -> Iterator[tuple[ImageRef, Indices]]:
        """Yield every image with the indices of its poses in input order, empty ones too."""
        order = np.argsort(self.image, kind="stable")
        bounds = np.searchsorted(self.image[order], np.arange(len(self.images) + 1))
        for i, ref in enumerate(self.images):
            yield ref, order[bounds[i] : bounds[i + 1]]

    @classmethod
    def concat(cls, parts: Sequence["Poses"]) -> "Poses":
        """Join poses of one skeleton; images that are equal become one.

        Of histories, counts may differ, see `join_histories`.

        Raises:
            ArrayError: nothing to join, or skeletons, score kinds or steps that differ.
        """
        if not parts:
            raise ArrayError("expected at least one Poses to join, got none")
        first = parts[0]
        history = first.history
        for other in parts[1:]:
            if other.skeleton != first.skeleton:
                raise ArrayError(
                    f"expected one skeleton, got {first.skeleton.name!r} "
                    f"and {other.skeleton.name!r}"
                )
            if other.score_kind != first.score_kind:
                raise ArrayError(
                    f"expected one score kind, got {first.score_kind!r} and {other.score_kind!r}"
                )
            joined = join_histories(history, other.history)
            if joined is None:
                ways = [", ".join(s.name for s in p.history) or "none" for p in (first, other)]
                raise ArrayError(
                    "expected poses that went through the same steps, with the same options and "
                    f"weights, got {ways[0]} and {ways[1]}"
                )
            history = joined
        images: dict[ImageRef, int] = {}
        places = [
            np.array([images.setdefault(ref, len(images)) for ref in p.images], np.intp)
            for p in parts
        ]

        def join(name: str, missing: float) -> npt.NDArray[Any] | None:
            arrays = [getattr(p, name) for p in parts]
            if all(a is None for a in arrays):
                return None
            shape = next(a.shape[1:] for a in arrays if a is not None)
            return np.concatenate(
                [
                    np.full((len(p), *shape), missing) if a is None else a
                    for p, a in zip(parts, arrays, strict=True)
                ]
            )

        return replace(
            first,
            xy=np.concatenate([p.xy for p in parts]),
            score=np.concatenate([p.score for p in parts]),
            instance_score=np.concatenate([p.instance_score for p in parts]),
            image=np.concatenate([at[p.image] for at, p in zip(places, parts, strict=True)]),
            images=tuple(images),
            box=join("box", np.nan),
            area=join("area", np.nan),
            track=join("track", -1),
            history=history,
            extra=tuple(e for p in parts for e in p.extra),
        )


def convert(poses: Poses, skeleton: Skeleton | str | Path) -> Poses:
    """Map poses onto another skeleton by joint name, as `Poses.to` does.

    Raises:
        SkeletonError: no joint is shared, or no such skeleton.
    """
    return poses.to(skeleton)
