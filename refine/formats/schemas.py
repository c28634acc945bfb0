"""JSON Schemas of what the formats write."""

from typing import Any

from msgspec import json

from refine.formats._documents import (
    AlphaPoseRow,
    Analysis,
    CmuImage,
    CocoRow,
    CocoTruth,
    ControlNetFile,
    Detectron2Image,
    EasyVitPose,
    FiftyOneSet,
    Lifting,
    MediaPipeImage,
    MMPoseRecord,
    Movement,
    MpiiPerson,
    NdjsonLine,
    Npz,
    OpenPoseFile,
    Parquet,
    Sleap,
    Table,
    Task,
    Text,
    UltralyticsRow,
    VitPosePerson,
    Xml,
)
from refine.formats.known import get_format

DRAFT = "https://json-schema.org/draft/2020-12/schema"

TYPES: dict[str, Any] = {
    "coco": list[CocoRow],
    "coco-gt": CocoTruth,
    "openpose": OpenPoseFile | list[OpenPoseFile],
    "controlnet": ControlNetFile | list[ControlNetFile],
    "alphapose": list[AlphaPoseRow],
    "alphapose-cmu": dict[str, CmuImage],
    "alphapose-open": dict[str, OpenPoseFile],
    "mmpose": list[MMPoseRecord],
    "ultralytics": list[UltralyticsRow | list[UltralyticsRow]],
    "yolo": Text,
    "mediapipe": MediaPipeImage | list[MediaPipeImage],
    "vitpose": list[VitPosePerson | list[VitPosePerson]],
    "easy-vitpose": EasyVitPose,
    "detectron2": list[Detectron2Image],
    "labelstudio": list[Task],
    "cvat": Xml,
    "fiftyone": FiftyOneSet,
    "rtmlib": Npz,
    "posetrack": CocoTruth,
    "mpii": list[MpiiPerson],
    "deeplabcut": Table,
    "sleap": Sleap,
    "sleap-analysis": Analysis,
    "movement": Movement,
    "h36m": Lifting,
    "csv": Table,
    "parquet": Parquet,
    "ndjson": NdjsonLine | list[NdjsonLine],
}
"""Of the document that a format writes: of folders each file, of lines a list of what they hold."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema, draft 2020-12, of what a format writes.

    Raises:
        FormatError: no such format.

    >>> schema("coco")["title"]
    'coco'
    """
    form = get_format(name)
    about = {"$schema": DRAFT, "title": name, "description": form.about}
    return about | json.schema(TYPES[name])
