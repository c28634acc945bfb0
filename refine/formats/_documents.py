"""What the formats write, as types, of which `schemas` makes JSON Schemas.

Objects may have further fields, which are carried along. Formats whose files are no JSON have the
schema of the document that stands for them (`_encodings`, `_xml`, `_parquet`, `_arrays`).
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

Number = float | None
Id = int | str
Numbers = Annotated[list[Number], Meta(description="x1, y1, score1, x2, ...; px")]
Box = Annotated[
    list[float], Meta(min_length=4, max_length=4, description="x, y, width, height; px")
]
Corners = Annotated[list[float], Meta(min_length=4, max_length=4, description="x1, y1, x2, y2; px")]
Point = Annotated[list[Number], Meta(min_length=2, max_length=2)]
History = Annotated[list[str] | UnsetType, Meta(description="A line per step that was taken.")]
Score = float | UnsetType
Track = int | UnsetType


class CocoRow(Struct):
    image_id: Id
    keypoints: Numbers
    category_id: Id = 1
    score: Score = UNSET
    bbox: Box | UnsetType = UNSET
    area: Score = UNSET
    track_id: Track = UNSET
    refine_history: History = UNSET


class AlphaPoseRow(Struct):
    image_id: Id
    keypoints: Numbers
    score: float
    category_id: int | UnsetType = UNSET
    box: Box | UnsetType = UNSET
    idx: Any = UNSET
    refine_history: History = UNSET


class CocoImage(Struct):
    id: Id
    file_name: str | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET


class CocoAnnotation(Struct):
    id: Id
    image_id: Id
    category_id: Id
    keypoints: Numbers
    num_keypoints: int
    iscrowd: int = 0
    bbox: Box | UnsetType = UNSET
    area: Score = UNSET
    score: Score = UNSET
    scores: list[Number] | UnsetType = UNSET
    track_id: Track = UNSET


class CocoCategory(Struct):
    id: Id
    name: str
    keypoints: list[str]
    skeleton: list[list[int]]


class CocoTruth(Struct):
    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]
    refine_history: History = UNSET


class OpenPosePerson(Struct):
    pose_keypoints_2d: Numbers


class OpenPoseFile(Struct):
    people: list[OpenPosePerson]
    version: float | str | UnsetType = UNSET
    refine_history: History = UNSET


class ControlNetFile(Struct):
    people: list[OpenPosePerson]
    canvas_width: int
    canvas_height: int
    refine_history: History = UNSET


class CmuBody(Struct):
    joints: Numbers


class CmuImage(Struct):
    bodies: list[CmuBody]
    refine_history: History = UNSET


class MMPoseInstance(Struct):
    keypoints: list[Point]
    keypoint_scores: list[Number]
    bbox: list[Corners] | UnsetType = UNSET
    bbox_score: Score = UNSET
    track_id: Track = UNSET
    refine_history: History = UNSET


class MMPoseRecord(Struct):
    keypoints: list[Point] | UnsetType = UNSET
    keypoint_scores: list[Number] | UnsetType = UNSET
    bbox: list[Corners] | UnsetType = UNSET
    bbox_score: Score = UNSET
    track_id: Track = UNSET
    refine_history: History = UNSET
    frame_id: int | UnsetType = UNSET
    instances: list[MMPoseInstance] | UnsetType = UNSET


class UltralyticsBox(Struct):
    x1: float
    y1: float
    x2: float
    y2: float


class UltralyticsKeypoints(Struct):
    x: list[Number]
    y: list[Number]
    visible: list[Number] | UnsetType = UNSET


class UltralyticsRow(Struct):
    name: str
    klass: int = field(name="class")
    keypoints: UltralyticsKeypoints
    confidence: Score = UNSET
    box: UltralyticsBox | UnsetType = UNSET
    track_id: Track = UNSET
    refine_history: History = UNSET


class Text(Struct):
    txt: list[str]


class Table(Struct):
    csv: list[list[str | int | float | None]]


class Landmark(Struct):
    x: Number
    y: Number
    visibility: Number


class MediaPipeImage(Struct):
    pose_landmarks: list[list[Landmark]]
    image_size: Annotated[list[int], Meta(min_length=2, max_length=2)] | UnsetType = UNSET
    refine_history: History = UNSET


class VitPosePerson(Struct):
    keypoints: list[Point]
    scores: list[Number]
    labels: list[int]
    bbox: Corners | UnsetType = UNSET
    score: Score = UNSET
    track_id: Track = UNSET
    refine_history: History = UNSET


YXScore = Annotated[list[Number], Meta(min_length=3, max_length=3, description="y, x, score; px")]


class EasyVitPose(Struct):
    keypoints: list[dict[str, list[YXScore]]]
    skeleton: dict[str, str]
    refine_history: History = UNSET


class Detectron2Image(Struct):
    image_id: Id
    instances: list[CocoRow]


Percent = Annotated[Number, Meta(description="Percents of the image.")]


class RegionValue(Struct):
    x: Percent
    y: Percent
    width: Percent
    height: Percent | UnsetType = UNSET
    rotation: float | UnsetType = UNSET
    keypointlabels: list[str] | UnsetType = UNSET
    rectanglelabels: list[str] | UnsetType = UNSET


class Region(Struct):
    type: str
    value: RegionValue
    from_name: str
    to_name: str
    id: str
    parentID: str | UnsetType = UNSET
    original_width: int | UnsetType = UNSET
    original_height: int | UnsetType = UNSET
    score: Score = UNSET


class Made(Struct):
    result: list[Region]
    model_version: str | UnsetType = UNSET
    score: Score = UNSET


class Task(Struct):
    data: dict[str, Any]
    id: int | UnsetType = UNSET
    annotations: list[Made] | UnsetType = UNSET
    predictions: list[Made] | UnsetType = UNSET


class XmlElement(Struct):
    tag: str
    attributes: dict[str, str] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    children: list["XmlElement"] | UnsetType = UNSET


class Xml(Struct):
    xml: XmlElement


Share = Annotated[
    float | dict[str, str] | None,
    Meta(description='Share of the image; {"$numberDouble": "NaN"} where a joint is missing.'),
]


class FiftyOneKeypoint(Struct):
    label: str
    points: list[Annotated[list[Share], Meta(min_length=2, max_length=2)]]
    klass: str = field(name="_cls")
    confidence: list[Number] | UnsetType = UNSET
    score: Score = UNSET
    index: int | UnsetType = UNSET


class FiftyOneKeypoints(Struct):
    keypoints: list[FiftyOneKeypoint]
    klass: str = field(name="_cls")


class FiftyOneSample(Struct):
    filepath: str
    keypoints: FiftyOneKeypoints
    metadata: dict[str, Any] | UnsetType = UNSET
    frame_number: int | UnsetType = UNSET
    refine_history: History = UNSET


class FiftyOneSkeleton(Struct):
    labels: list[str]
    edges: list[list[int]]


class FiftyOneSet(Struct):
    samples: list[FiftyOneSample]
    default_skeleton: FiftyOneSkeleton | UnsetType = UNSET


class RtmlibArrays(Struct):
    keypoints: list[list[Point]]
    scores: list[list[Number]] | UnsetType = UNSET
    boxes: list[list[Number]] | UnsetType = UNSET
    pose_scores: list[Number] | UnsetType = UNSET
    track_ids: list[int] | UnsetType = UNSET
    image: list[int] | UnsetType = UNSET
    image_ids: list[Id] | UnsetType = UNSET


class Npz(Struct):
    npz: RtmlibArrays


class ParquetColumns(Struct):
    image_id: list[Id]
    file_name: list[str | None]
    width: list[int | None]
    height: list[int | None]
    frame: list[int | None]
    image_extra: list[str | None]
    pose: list[int | None]
    category_id: list[Id | None]
    track_id: list[int | None]
    pose_score: list[Number]
    area: list[Number]
    box: list[list[Number]]
    keypoints: list[Numbers]
    extra: list[str | None]


Shipped = Annotated[str | dict[str, Any], Meta(description="A name, or a table of joints.")]


class ParquetMetadata(Struct):
    version: int
    skeleton: Shipped
    score_kind: str
    fps: float | UnsetType = UNSET
    refine_history: History = UNSET


class ParquetContent(Struct):
    columns: ParquetColumns
    metadata: ParquetMetadata


class Parquet(Struct):
    parquet: ParquetContent


class NdjsonPose(Struct):
    keypoints: Numbers
    score: Score = UNSET
    box: Corners | UnsetType = UNSET
    area: Score = UNSET
    track_id: Track = UNSET


class NdjsonLine(Struct):
    skeleton: Shipped
    score_kind: str
    poses: list[NdjsonPose]
    fps: float | UnsetType = UNSET
    image_id: Id | UnsetType = UNSET
    file_name: str | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    frame: int | UnsetType = UNSET
    refine_history: History = UNSET


class MpiiPerson(Struct):
    image: str
    joints: list[Point]
    joints_vis: list[float]
    center: Point | UnsetType = UNSET
    scale: Score = UNSET


class LiftingArrays(Struct):
    positions_2d: list[list[list[Point]]]
    scores: list[list[list[Number]]]
    joints: list[str]
    individuals: list[str]
    frames: list[int]


class Lifting(Struct):
    npz: LiftingArrays


class AnalysisArrays(Struct):
    tracks: list[list[list[list[Number]]]]
    node_names: list[str]
    track_names: list[str]


class Analysis(Struct):
    hdf5: AnalysisArrays


class MovementArrays(Struct):
    position: list[list[list[list[Number]]]]
    confidence: list[list[list[Number]]]
    time: list[float]
    space: list[str]
    keypoints: list[str]
    individuals: list[str]


class Movement(Struct):
    hdf5: MovementArrays
    attributes: dict[str, Any]


class Sleap(Struct):
    sleap: dict[str, Any]
