"""Whether coordinates are px or shares of the image, whatever the format."""

import numpy as np

from refine._types import Bools, Floats
from refine.exceptions import FormatError
from refine.formats._keypoints import FAR, rounded, shortest
from refine.poses import Poses

NEAR = (-0.5, 1.5)
"""Shares of an image that joints have, those beyond its border too."""

EITHER = (-1.0, NEAR[1])
"""What holds the shares of either scale."""

MOST = 0.75
"""Of the coordinates must lie within `NEAR`: a foot further out does not make a file one of px, and
a person who is so small in px does not exist."""

SCALE_3, SCALE_4 = "[0, 1]", "[-1, 1]"
"""What OpenPose's ``--keypoint_scale`` 3 and 4 give."""

NOISE = 1e-9
"""px; of corners of boxes that were held as shares of middles and sizes."""

SHARES = ("controlnet",)
"""Formats that are written in shares where they were read so; all others are written in px."""


def in_pixels(
    poses: Poses, where: str, normalised: bool | None = None, *, whole: float = 0
) -> Poses:
    """Return poses in px, given in px or in shares of their images.

    Boxes that are shares, too, are scaled with them. `meta` tells of it: ``"normalised"``, and a
    note. Poses with a history were written here, in px, however small they are.

    Args:
        poses: as a file has them, perhaps with the sizes of their images.
        where: the file, for messages.
        normalised: what the coordinates are; None looks at them.
        whole: what the width of an image is in a format of shares, see `Format.shares`; there boxes
            are shares wherever coordinates are. 0 is a format of px, whose boxes are looked at.

    Raises:
        FormatError: shares of images whose size is not known, or of places beyond `FAR`.
    """
    if normalised is False:
        return poses
    found = share_of(poses.xy)
    if not (normalised or found):
        return poses
    if normalised is None and poses.history and poses.meta.get("format") not in SHARES:
        note = f"coordinates nearly all within {found} were read as px, as their history tells"
        return _noted(poses, f"{note}; --normalised, if they are shares of the images")
    size = poses.image_sizes[poses.image] / (whole or 1)
    unknown = np.flatnonzero(np.isnan(size).any(1))
    if found == SCALE_4 or len(unknown):
        spread = f"nearly all within {found or SCALE_3}"
        hint = "--pixels, if they are px; OpenPose with --keypoint_scale 0"
        if found != SCALE_4:
            of = poses.images[poses.image[unknown[0]]].id
            spread += f" and no size of image {of!r}"
            hint = f"--sizes FILE.json, a COCO file of the images, or {hint}"
        raise FormatError(f"expected coordinates in px, got {spread}", where=where, hint=hint)
    told = "" if normalised else "; --pixels, if they are px"
    note = f"coordinates are shares of the images and were scaled by their sizes{told}"
    box, area = poses.box, poses.area
    if box is not None and (whole or share_of(box.reshape(len(box), 2, 2))):
        scaled = box * np.tile(size, 2)
        box = shortest(scaled, lambda px: np.abs(px - scaled) < NOISE)
        area = area * size.prod(1) if area is not None and np.nanmax(area) <= 1 else area
    meta = {**poses.meta, "normalised": True}
    per_joint = size[:, None]
    xy = shortest(poses.xy * per_joint, lambda px: px / per_joint == poses.xy)
    poses = poses.replace(xy=xy, box=box, area=area, meta=meta)
    _check_near(poses, where)
    return _noted(poses, note)


def _check_near(poses: Poses, where: str) -> None:
    """Refuse shares so large that no format would take the pixels."""
    corners = [poses.xy] if poses.box is None else [poses.xy, poses.box[:, :, None]]
    far = np.flatnonzero([(np.abs(values) > FAR).any((1, 2)) for values in corners])
    if len(far):
        i = int(far[0]) % len(poses)
        raise FormatError(
            f"expected shares of the image, got places beyond {FAR:,.0f} px for pose {i} on image "
            f"{poses.images[poses.image[i]].id!r}",
            where=where,
            hint="--pixels, if they are px, or a look at the tool that wrote the file",
        )


def shares_of(poses: Poses, precision: int | None, form: str, whole: float = 1) -> Poses:
    """Return poses in shares of their images, the counterpart of `in_pixels`.

    Args:
        poses: in px.
        precision: decimals of px that the shares stand for, or None.
        form: the format, for messages.
        whole: what the width of an image is, see `Format.shares`.

    Raises:
        FormatError: the size of an image is not known.
    """
    size = poses.image_sizes[poses.image][:, None] / whole
    px = rounded(poses, precision)
    unknown = np.flatnonzero(np.isnan(size).any((1, 2)))
    if len(unknown):
        raise FormatError(
            f"expected the size of image {poses.images[poses.image[unknown[0]]].id!r}, of which "
            f"{form} files hold shares, got none",
            hint="--sizes FILE.json",
        )
    share = shortest(px / size, lambda short: short * size == px)
    return poses.replace(xy=share)


def _noted(poses: Poses, note: str) -> Poses:
    return poses.replace(meta={**poses.meta, "notes": (*poses.meta.get("notes", ()), note)})


def share_of(xy: Floats) -> str:
    """Return the range of coordinates (N, K, 2) that are no px; nothing if they are."""
    finite = np.isfinite(xy)
    present = finite[..., 0] & finite[..., 1]
    # Nearly always: most are beyond either range, which needs no copies.
    either = np.count_nonzero((xy >= EITHER[0]) & (xy <= EITHER[1]))
    if either < MOST * 2 * np.count_nonzero(present):
        return ""
    known = xy[present].ravel()
    if len(known) < 4:
        return ""
    within: Bools = (known >= NEAR[0]) & (known <= NEAR[1])
    signed = np.abs(known) <= 1
    if max(within.mean(), signed.mean()) < MOST or (known % 1 != 0).mean() < 0.5:
        return ""
    return SCALE_4 if (known < -0.1).mean() > 1 - MOST and signed.mean() >= MOST else SCALE_3
