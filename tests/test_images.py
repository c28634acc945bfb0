"""One rule finds images: by name as far as names tell, by id where no name speaks against it."""

import json

import pytest
from PIL import Image

from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.exceptions import FormatError
from refine.formats import read, with_images
from refine.images import find_images
from refine.poses import ImageRef, Poses
from refine.refiner.image.crops import find_pictures

TWICE = ["cam1/000001.jpg", "cam2/000001.jpg", "cam1/000002.jpg"]


@pytest.mark.parametrize(
    ("ref", "names", "found"),
    [
        (ImageRef("cam2/000001.jpg"), TWICE, 1),
        (ImageRef("cam2\\000001.jpg"), TWICE, 1),
        (ImageRef("./cam2/000001.jpg"), TWICE, 1),
        (ImageRef("/data/cam2/000001.jpg"), TWICE, 1),
        (ImageRef("cam2/000001"), TWICE, 1),
        (ImageRef(7, "cam2/000001.png"), TWICE, 1),
        (ImageRef("000001.jpg"), TWICE, None),
        (ImageRef("000001"), TWICE, None),
        (ImageRef("000002"), TWICE, 2),
        (ImageRef("other/000002.jpg"), TWICE, 2),
        (ImageRef("a.jpg"), ["b/a.jpg", "a.jpg"], 1),
        (ImageRef("frame.001"), ["frame.001.jpg", "frame.002.jpg"], 0),
        (ImageRef("b.jpg"), ["images\\b.jpg", None], 0),
        (ImageRef(139), ["000000000139.jpg"], 0),
        (ImageRef(139), ["a/139.jpg", "b/139.jpg"], None),
        (ImageRef(5, "x.jpg"), ["5.jpg"], None),
    ],
)
def test_names(ref, names, found):
    assert find_images([ref], names, where="") == [found]


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        (ImageRef(11), 1),
        (ImageRef("11"), 1),
        (ImageRef("0011"), 1),
        (ImageRef(11, "b.jpg"), 1),
        (ImageRef(11, "elsewhere/b.png"), 1),
        (ImageRef(99, "b.jpg"), 1),
        (ImageRef(11, "z.jpg"), None),
        (ImageRef(12, "z.jpg"), 2),
        (ImageRef(99), None),
    ],
)
def test_ids(ref, found):
    assert find_images([ref], ["a.jpg", "b.jpg", None], [10, 11, 12], where="") == [found]


def test_an_id_settles_which_of_several_names():
    assert find_images([ImageRef(9, "000001.jpg")], TWICE, [8, 9, 10], where="") == [1]
    # 000001 is the name of two images, and so not the number of a third.
    assert find_images([ImageRef("000001")], TWICE, [8, 9, 1], where="") == [None]


def test_one_image_is_not_two_of_other_folders():
    refs = [ImageRef("cam1/1.jpg"), ImageRef("cam3/1.jpg")]
    assert find_images(refs, ["cam1/1.jpg"], where="") == [0, None]
    assert find_images([refs[1], ImageRef("cam4/1.jpg")], ["cam1/1.jpg"], where="") == [None, None]


@pytest.mark.parametrize("ref", [ImageRef(10, "b.jpg"), ImageRef("1")])
def test_id_and_name_of_two_images(ref):
    names, ids = ["a.jpg", "b.jpg", "1.jpg"], [10, 11, 1]
    known = (names, ids) if ref.file_name else (["a.jpg", "1.jpg"], [1, 7])
    with pytest.raises(FormatError, match=r"gt.json: expected one image .*, got two: .*a.jpg"):
        find_images([ref], *known, where="gt.json")


def test_annotations_pictures_and_sizes_find_the_same(tmp_path):
    for name in TWICE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (3, 2)).save(tmp_path / name)
    images = [{"id": 20 + i, "file_name": n, "width": 3, "height": 2} for i, n in enumerate(TWICE)]
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps({"images": images, "annotations": []}))
    truth = read_ground_truth(sizes)
    refs = [ImageRef("cam2/000001.jpg"), ImageRef("000002"), ImageRef("000001")]
    assert isinstance(truth, GroundTruth)
    assert truth.find(refs) == ({0: 1, 1: 2}, ["000001"])
    assert find_pictures(tmp_path, refs) == [tmp_path / TWICE[1], tmp_path / TWICE[2], None]
    told = with_images(Poses.empty("coco17", refs), sizes, rename=True)
    assert [ref.id for ref in told.images] == [21, 22, "000001"]
    assert len(read(sizes)) == 0
