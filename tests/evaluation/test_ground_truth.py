"""One reader of annotations: what one verb accepts, all accept, and all blame the same record."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import refine
from refine.calibration.fit import read_sample
from refine.errors.measure import measure_statistics
from refine.evaluation import evaluate
from refine.evaluation.diagnosis import diagnose
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import FormatError, RefineError
from refine.poses import ImageRef, Poses
from refine.refiner.image.annotations import read_labelled
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.train import PoseSettings, train
from refine.skeletons import skeleton

BODY = skeleton("coco17")
N = 8
XY = np.random.default_rng(0).uniform(20, 280, (N, 17, 2)).round()
PERSONS = {"id": 1, "name": "person", "keypoints": list(BODY.joints)}


def truth():
    return {
        "images": [{"id": 10 + i, "width": 300, "height": 300} for i in range(N)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 10 + i,
                "category_id": 1,
                "keypoints": np.c_[XY[i], np.full(17, 2)].ravel().tolist(),
                "num_keypoints": 17,
                "bbox": [10, 10, 280, 280],
                "area": 40000.0,
                "iscrowd": 0,
            }
            for i in range(N)
        ],
        "categories": [PERSONS],
    }


FOUND = Poses.from_arrays(
    BODY,
    XY + 1,
    np.full((N, 17), 0.9),
    instance_score=np.linspace(0.5, 1, N),
    image=range(N),
    images=[ImageRef(10 + i, width=300, height=300) for i in range(N)],
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(N):
        Image.new("RGB", (300, 300)).save(folder / f"{10 + i}.png")
    return folder


@pytest.fixture(scope="module")
def refiner():
    return Refiner.load()


@pytest.fixture
def verdicts(pictures, refiner, tmp_path):
    """Give a document to everything that reads annotations: verb -> None or the refusal."""
    tiny = PoseSettings(epochs=1, batch=4, width=8, blocks=1)
    verbs = {
        "read": lambda p: refine.read(p, "coco-gt"),
        "evaluate": lambda p: evaluate(p, FOUND),
        "diagnose": lambda p: diagnose(p, FOUND),
        "stats": lambda p: measure_statistics(p, FOUND, name="", source=""),
        "calibrate": lambda p: read_sample(p, FOUND, refiner),
        "train pose": lambda p: train(read_ground_truth(p), tmp_path / "w.safetensors", tiny),
        "train image": lambda p: read_labelled([{"annotations": p, "images": pictures}], BODY),
    }  # fmt: skip

    def verdict(verb, path):
        try:
            verb(path)
        except RefineError as error:
            return type(error).__name__, str(error).replace(str(path), "gt.json")
        return None

    def of(document):
        path = tmp_path / "gt.json"
        path.write_text(json.dumps(document))
        return {name: verdict(verb, path) for name, verb in verbs.items()}

    return of


def drop(document, *fields):
    for record in document["annotations"]:
        for field in fields:
            record.pop(field)


def put(document, number, **fields):
    document["annotations"][number].update(fields)


def first(document, value, at=3):
    document["annotations"][at]["keypoints"][0] = value


ACCEPTED = {
    "as published": lambda t: None,
    "another category": lambda t: (
        t["annotations"].insert(2, {"id": 1, "category_id": 2, "keypoints": [1], "image_id": 7}),
        t["categories"].append({"id": 2, "name": "dog"}),
    ),
    "no categories": lambda t: t.pop("categories"),
    "an empty list of categories": lambda t: t.update(categories=[]),
    "categories without joints": lambda t: t.update(categories=[{"id": 1}, {"id": 2}]),
    "two categories of one body": lambda t: (
        t["categories"].append(PERSONS | {"id": 2}),
        put(t, 3, category_id=2),
    ),
    "no category, and none listed": lambda t: (drop(t, "category_id"), t.pop("categories")),
    "no bbox": lambda t: drop(t, "bbox"),
    "an empty bbox": lambda t: put(t, 3, bbox=[]),
    "no area": lambda t: drop(t, "area"),
    "area null": lambda t: put(t, 3, area=None),
    "neither bbox nor area": lambda t: drop(t, "bbox", "area"),
    "keypoints alone": lambda t: drop(t, "bbox", "area", "iscrowd", "num_keypoints", "id"),
    "some without id": lambda t: t["annotations"][0].pop("id"),
    "ids as strings": lambda t: [put(t, i, id=f"a{i}") for i in range(N)],
    "whole floats as ids": lambda t: put(t, 3, image_id=13.0),
    "no label, no box": lambda t: (
        t["annotations"].insert(0, {"id": 99, "image_id": 10, "category_id": 1}),
    ),
    "no keypoints": lambda t: put(t, 3, keypoints=[], num_keypoints=0),
    "flags between": lambda t: put(t, 3, keypoints=[5.0, 5.0, 0.5] * 17),
    "a missing joint as null": lambda t: put(
        t, 3, keypoints=[None, None, 0, *[9, 9, 2] * 16], num_keypoints=16
    ),
}

REFUSED = {
    "the first is short": (0, lambda t: put(t, 0, keypoints=[1, 2, 2] * 16)),
    "one is short": (3, lambda t: put(t, 3, keypoints=[1, 2, 2] * 16)),
    "short, behind a dog": (
        4,
        lambda t: (
            put(t, 3, keypoints=[1, 2, 2] * 16),
            t["annotations"].insert(0, {"category_id": 2}),
        ),
    ),
    "not triples": (3, lambda t: put(t, 3, keypoints=[1.0] * 50)),
    "no list": (3, lambda t: put(t, 3, keypoints="x")),
    "a number as a string": (3, lambda t: first(t, "5")),
    "true": (3, lambda t: first(t, True)),
    "null where labelled": (3, lambda t: first(t, None)),
    "NaN where labelled": (3, lambda t: first(t, float("nan"))),
    "Infinity": (3, lambda t: first(t, float("inf"))),
    "a billion px": (3, lambda t: first(t, 1e9)),
    "hundreds of digits": (3, lambda t: first(t, 10**400)),
    "three numbers of a box": (3, lambda t: put(t, 3, bbox=[1, 2, 3])),
    "a box of strings": (3, lambda t: put(t, 3, bbox=["1", "2", "3", "4"])),
    "a box with null": (3, lambda t: put(t, 3, bbox=[1, 2, None, 4])),
    "area as a string": (3, lambda t: put(t, 3, area="5")),
    "area without end": (3, lambda t: put(t, 3, area=float("inf"))),
    "score as a string": (3, lambda t: put(t, 3, score="5")),
    "count as a string": (3, lambda t: put(t, 3, num_keypoints="17")),
    "head size as a string": (3, lambda t: put(t, 3, head_size="17")),
    "an id twice": (3, lambda t: put(t, 3, id=1)),
    "an id that is none": (3, lambda t: put(t, 3, id=[])),
    "a category that is none": (3, lambda t: put(t, 3, category_id=[])),
    "no category of its own": (0, lambda t: drop(t, "category_id")),
    "a category in quotes": (0, lambda t: [put(t, i, category_id="1") for i in range(N)]),
    "no category of the file": (0, lambda t: [put(t, i, category_id=7) for i in range(N)]),
    "an unknown image": (3, lambda t: put(t, 3, image_id=99)),
    "no image": (3, lambda t: t["annotations"][3].pop("image_id")),
    "no object": (3, lambda t: t["annotations"].__setitem__(3, 5)),
    "an image id twice": (None, lambda t: t["images"].append({"id": 10})),
    "a width as a string": (None, lambda t: t["images"][0].update(width="300")),
    "no images": (None, lambda t: t.pop("images")),
    "no annotations": (None, lambda t: t.pop("annotations")),
    "two skeletons": (
        None,
        lambda t: t["categories"].append({"id": 2, "keypoints": ["nose", "tail"]}),
    ),
    "joints of no skeleton": (
        None,
        lambda t: (t.pop("categories"), [put(t, i, keypoints=[1, 2, 2] * 19) for i in range(N)]),
    ),
    "a history that is none": (None, lambda t: t.update(refine_history="x")),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_one_accepts_all_accept(verdicts, tmp_path, name):
    document = truth()
    ACCEPTED[name](document)
    found = verdicts(document)
    assert set(found.values()) == {None}, found
    persons = read_ground_truth(tmp_path / "gt.json").persons
    assert len(persons) == N
    assert np.isfinite(persons.box).all()
    assert np.isfinite(persons.area).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_one_refuses_all_refuse_in_the_same_words(verdicts, name):
    number, change = REFUSED[name]
    document = truth()
    change(document)
    found = verdicts(document)
    assert None not in found.values(), found
    assert len(set(found.values())) == 1, found
    if number is not None:
        assert f"gt.json, annotation {number}:" in found["read"][1]


def test_results_are_no_annotations(verdicts):
    found = verdicts([])
    assert len(set(found.values())) == 1
    assert "expected COCO annotations" in found["read"][1]


def test_persons_are_those_of_the_file():
    document = truth()
    put(document, 0, iscrowd=1, head_size=30)
    put(document, 1, keypoints=[0] * 51, num_keypoints=0)
    first(document, 5, at=2)
    document["images"].reverse()
    found = read_ground_truth(document)
    persons = found.persons
    assert found.ids == tuple(range(10, 10 + N))
    assert [found.ids[i] for i in persons.image] == [10 + i for i in range(N)]
    assert persons.ignore.tolist() == [True, True, *[False] * (N - 2)]
    assert persons.crowd.sum() == 1
    assert np.isnan(persons.xy[1]).all()
    assert persons.xy[2, 0].tolist() == [5, XY[2, 0, 1]]
    assert persons.head_size[0] == 30
    assert np.isnan(persons.head_size[1:]).all()
    assert persons.image_size.tolist() == [[300, 300]] * N
    assert found.persons_on([2, 1]).id.tolist() == [2, 3]


def test_what_is_missing_is_derived_and_told():
    document = truth()
    drop(document, "bbox", "area")
    document["annotations"].append({"id": "bare", "image_id": 10, "category_id": 1})
    found = read_ground_truth(document)
    low, high = XY[0].min(0), XY[0].max(0)
    assert found.persons.box[0].tolist() == [*low, *high]
    assert found.persons.area[0] == pytest.approx(0.53 * np.prod(high - low))
    assert found.warnings == (
        "8 persons have no area; taken as 0.53 of their box",
        "annotations with neither box nor labelled joints were left out, by id: 'bare'",
    )
    assert evaluate(document, FOUND).warnings == found.warnings


def test_annotations_without_ids_get_free_ones():
    document = truth()
    drop(document, "id")
    put(document, 3, id=1)
    ids = read_ground_truth(document).persons.id.tolist()
    assert len(set(ids)) == N
    assert ids[3] == 1


def test_a_skeleton_given_stands_for_what_the_categories_name():
    own = refine.Skeleton("own", tuple(f"j{i}" for i in range(17)))
    assert read_ground_truth(truth(), own).skeleton is own
    assert read_ground_truth(truth(), default=own).skeleton == BODY
    unnamed = truth()
    del unnamed["categories"]
    assert read_ground_truth(unnamed, default=own).skeleton is own
    assert read_ground_truth(unnamed).skeleton == BODY


def test_the_order_of_the_images_changes_no_figure():
    turned = truth()
    turned["images"].reverse()
    turned["annotations"].reverse()
    assert evaluate(turned, FOUND) == evaluate(truth(), FOUND)


def test_flags_of_numpy_are_numbers():
    xy = np.random.default_rng(0).uniform(0, 99, (2, 17, 2))
    truth = Poses.from_arrays("coco17", xy, np.full((2, 17), 2.0), score_kind="flag")
    truth = truth.replace(extra=({"iscrowd": np.int64(0)}, {"iscrowd": np.bool_(True)}))
    assert read_ground_truth(truth).persons.crowd.tolist() == [False, True]


@pytest.fixture
def tables(pictured, tmp_path):
    """Annotations of two pictures as a table each, and as one."""
    pytest.importorskip("pyarrow")
    truth = refine.read(pictured / "gt.json")
    refine.write(truth, tmp_path / "whole.parquet")
    (tmp_path / "parts" / "x=1").mkdir(parents=True)
    for i, ref in enumerate(truth.images):
        part = truth[truth.image == i]
        part = part.replace(images=(ref,), image=part.image * 0)
        refine.write(part, tmp_path / "parts" / "x=1" / f"{i:03d}.parquet")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["whole.parquet", "parts", "parts/*/*.parquet", "parts/x=1/{000..001}.parquet"]
)
def test_tables_are_annotations(pictured, tables, name):
    expected = read_ground_truth(pictured / "gt.json")
    found = read_ground_truth(tables / name)
    assert (found.skeleton, found.images) == (expected.skeleton, expected.images)
    assert (found.categories, found.warnings) == (expected.categories, expected.warnings)
    order, theirs = np.argsort(found.persons.id), np.argsort(expected.persons.id)
    for field in dataclasses.fields(found.persons):
        one, other = (getattr(t.persons, field.name) for t in (found, expected))
        np.testing.assert_array_equal(one[order], other[theirs], field.name)
    assert len(read_ground_truth(tables / name, category=1).persons) == len(found.persons)
    with pytest.raises(FormatError, match="expected persons of category 7, got none"):
        read_ground_truth(tables / name, category=7)


def test_tables_with_and_without_categories(pictured, tables):
    _, second = sorted((tables / "parts").rglob("*.parquet"))
    truth = refine.read(second)
    for kinds, known in (((None,), (1,)), ((2, 3), (1, 2, 3))):
        rows = ({} if k is None else {"category_id": k} for k in np.resize(kinds, len(truth)))
        refine.write(truth.replace(extra=tuple(rows)), second)
        assert read_ground_truth(tables / "parts").categories == known
    third = tables / "parts" / "z.parquet"
    refine.write(refine.Poses.empty("coco17"), third)
    assert read_ground_truth(tables / "parts").categories == (1, 2, 3)
    refine.write(truth.replace(extra=({},) * len(truth)), third)
    with pytest.raises(FormatError, match=r"z\.parquet: expected a category_id for all"):
        read_ground_truth(tables / "parts")


def test_tables_that_do_not_go_together(pictured, tables):
    parts = tables / "parts"
    truth = refine.read(pictured / "gt.json")
    other = dataclasses.replace(truth.images[0], width=7)
    refine.write(truth.replace(images=(other, *truth.images[1:])), parts / "z.parquet")
    with pytest.raises(FormatError, match=r"z\.parquet: expected one image .* in all files"):
        read_ground_truth(parts)
    refine.write(refine.convert(truth, "openpose18"), parts / "z.parquet")
    with pytest.raises(FormatError, match=r"z\.parquet: expected the joints of 'coco17', as in"):
        read_ground_truth(parts)
    refine.write(truth.replace(score_kind="probability"), parts / "z.parquet")
    with pytest.raises(FormatError, match=r"z\.parquet: expected annotations, whose scores are"):
        read_ground_truth(parts)
    (parts / "z.parquet").write_bytes((parts / "x=1/000.parquet").read_bytes()[:500])
    with pytest.raises(FormatError, match=r"z\.parquet: expected Parquet, got"):
        read_ground_truth(parts)
    with pytest.raises(FormatError, match=r"005\.parquet: expected a file, got none"):
        read_ground_truth(tables / "{005..009}.parquet")
