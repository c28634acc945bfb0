"""The one list of formats, and which of them a document is of."""

from refine.exceptions import FormatError
from refine.formats import (
    alphapose,
    coco,
    cvat,
    deeplabcut,
    detectron2,
    easy_vitpose,
    fiftyone,
    h36m,
    labelstudio,
    mediapipe,
    mmpose,
    movement,
    mpii,
    ndjson,
    openpose,
    parquet,
    posetrack,
    rtmlib,
    sleap,
    sleap_analysis,
    table,
    ultralytics,
    vitpose,
    yolo,
)
from refine.formats._arrays import NPZ
from refine.formats._records import describe
from refine.formats.base import Document, Format, Source, Verdict

FORMATS: dict[str, Format] = {
    form.name: form
    for room in (
        coco,
        openpose,
        alphapose,
        mmpose,
        ultralytics,
        yolo,
        mediapipe,
        posetrack,
        mpii,
        deeplabcut,
        sleap,
        sleap_analysis,
        movement,
        h36m,
        table,
        vitpose,
        easy_vitpose,
        detectron2,
        labelstudio,
        cvat,
        fiftyone,
        rtmlib,
        table,
        parquet,
        ndjson,
    )
    for form in room.FORMATS
}
"""Formats by name: every file brings its own, a new one is named here."""


def get_format(name: str) -> Format:
    """Look up a format.

    Raises:
        FormatError: no such format.
    """
    if name not in FORMATS:
        raise FormatError(f"expected a format, got {name!r}", hint=f"one of {', '.join(FORMATS)}")
    return FORMATS[name]


def endings() -> list[str]:
    """Endings of file names that single out the files of a format in a folder."""
    return [form.ending for form in FORMATS.values() if form.ending != ".json"]


def tell(source: Source) -> Format:
    """Tell the format of a source: all are asked about a document, the surest is taken.

    Raises:
        FormatError: no format fits, or several as well as one another.

    >>> tell(Source("a.json", "document", [[{"image_id": 1, "keypoints": []}]])).name
    'coco'
    """
    # An image without poses may be an empty list, which tells nothing of the others.
    at = next((i for i, document in enumerate(source.documents) if document), 0)
    head = source.documents[at]
    heads = (head, [head]) if source.held == "lines" else (head,)
    verdicts = {f.name: max(f.detect(document) for document in heads) for f in FORMATS.values()}
    best = max(verdicts.values())
    if best == Verdict.NO and isinstance(head, dict):
        # A record that stands alone.
        verdicts = {form.name: form.detect([head]) for form in FORMATS.values()}
        best = max(verdicts.values())
    if best == Verdict.NO:
        raise _unknown(head, source.where(at), source.held == "document")
    found = [FORMATS[name] for name, verdict in verdicts.items() if verdict == best]
    if len(found) > 1 and source.held != "document":
        found = [f for f in found if f.holdings[0] == source.held] or found
    if len(found) > 1:
        raise FormatError(
            "expected what tells one format, got what may be any of: "
            + "; ".join(f"{f.name} ({f.tells})" for f in found),
            where=source.where(at),
            hint=" or ".join(f"--from {f.name}" for f in found),
        )
    return found[0]


def _unknown(head: Document, where: str, alone: bool) -> FormatError:
    if isinstance(head, dict) and isinstance(arrays := head.get(NPZ), dict):
        return FormatError(
            f"expected arrays of keypoints, got {', '.join(map(repr, arrays))[:200]}",
            where=where,
            hint="`refine decode`, if these are the raw outputs of a network",
        )
    if not isinstance(head, dict | list) and alone:
        return FormatError(f"expected a list or an object, got {describe(head)}", where=where)
    if isinstance(head, list) and head:
        head, where = head[0], f"{where}, record 0"
    if not isinstance(head, dict):
        return FormatError(f"expected an object, got {describe(head)}", where=where)
    return FormatError(
        "expected the keys of a known format, got "
        + (", ".join(sorted(map(str, head))[:8]) or "none"),
        where=where,
        hint=f"--from and one of {', '.join(FORMATS)}",
    )
