"""Pictures in tar files: found, read in place, by threads and processes, and trained on."""

import gzip
import io
import tarfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image

import refine
from refine.exceptions import FormatError, RefineError
from refine.poses import ImageRef
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.backbones import resnet
from refine.refiner.image.crops import find_pictures
from refine.refiner.image.pictures import picture_sizes, read_picture
from refine.refiner.image.settings import PoseFixSettings
from refine.refiner.image.shards import members_of
from refine.refiner.image.train import ImageData, train_on_images


def pack(path, members):
    """Write a tar file of names and bytes."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def shards(pictured, tmp_path_factory):
    """The pictures of `pictured`, one in a shard, as WebDataset lays them; one shard of none."""
    folder = tmp_path_factory.mktemp("shards")
    files = sorted(p for p in pictured.iterdir() if p.suffix != ".json")
    for i, file in enumerate(files):
        name = f"train/{file.name}"
        members = {f"train/{file.stem}.json": b"{}", name: file.read_bytes(), "a.cls": b"3"}
        pack(folder / f"shard-{i:06d}.tar", members)
    pack(folder / f"shard-{len(files):06d}.tar", {})
    return folder


def pixels_of(member):
    return read_picture(member)


@pytest.mark.parametrize("name", ["", "*.tar", "shard-{000000..000002}.tar", "**/shard-00000?.tar"])
def test_pictures_are_found_and_read_in_place(pictured, shards, name):
    images = [ImageRef(i, p.name) for i, p in enumerate(sorted(pictured.glob("*.*g")))]
    there = find_pictures(pictured, images)
    found = find_pictures(shards / name, [*images, ImageRef("nowhere.jpg")])
    assert (len(found), found.pop(), len(images)) == (3, None, 2)
    for file, member in zip(there, found, strict=True):
        assert picture_sizes(member) == picture_sizes(file)
        np.testing.assert_array_equal(read_picture(member), read_picture(file))
        with member.open() as opened:
            opened.seek(-4, io.SEEK_END)
            assert opened.read() == file.read_bytes()[-4:]
    # No file stays open, so that threads and processes read as they like.
    expected = [read_picture(file) for file in there] * 4
    for pool in (ThreadPoolExecutor(4), ProcessPoolExecutor(2, get_context("fork"))):
        with pool:
            for pixels, one in zip(pool.map(pixels_of, found * 4), expected, strict=True):
                np.testing.assert_array_equal(pixels, one)


def test_what_is_no_shard_is_said(tmp_path):
    pixels = io.BytesIO()
    Image.fromarray(np.zeros((90, 100), np.uint8)).save(pixels, "png")
    good = pack(tmp_path / "0.tar", {"1.png": pixels.getvalue(), "2.png": b"", "3.png": b"x"})
    packed = tmp_path / "z.tar"
    packed.write_bytes(gzip.compress(good.read_bytes()))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(good.read_bytes()[:600])
    (tmp_path / "empty.tar").touch()
    for name in ("z.tar", "cut.tar", "empty.tar"):
        with pytest.raises(FormatError, match=f"{name}: expected a tar file, got.*no compression"):
            find_pictures(tmp_path / name, [ImageRef(1)])
    with pytest.raises(FormatError, match=r"1\.tar: expected a file, got none"):
        find_pictures(tmp_path / "{0..9}.tar", [ImageRef(1)])
    for name in ("5.tar", "none-*.tar"):
        with pytest.raises(
            FormatError, match="expected a folder of pictures or tar files, got none"
        ):
            find_pictures(tmp_path / name, [ImageRef(1)])
    found = find_pictures(good, [ImageRef(i) for i in (1, 2, 3)])
    assert picture_sizes(found[0])[0] == (100, 90)
    for member, said in ((found[1], "2.png: .*empty file"), (found[2], "3.png: .*something else")):
        with pytest.raises(FormatError, match=rf"0\.tar, {said}"):
            read_picture(member)
    members = members_of(good)
    assert members_of(good) is members
    pack(good, {"1.png": pixels.getvalue()})
    assert len(members_of(good)) == 1


def test_tar_files_and_tables_teach_the_same_as_a_folder(
    pictured, shards, body, tmp_path, monkeypatch
):
    pytest.importorskip("pyarrow")
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    truth = refine.read(pictured / "gt.json")
    (tmp_path / "gt").mkdir()
    for i, ref in enumerate(truth.images):
        part = truth[truth.image == i]
        part = part.replace(images=(ref,), image=part.image * 0)
        refine.write(part, tmp_path / "gt" / f"{i}.parquet")
    settings = PoseFixSettings(epochs=1, batch=3, size=(32, 64), depth=50, mixed=False)
    curves = []
    for i, images in enumerate((pictured, shards / "shard-{000000..000001}.tar")):
        table = {"annotations": str(tmp_path / "gt"), "images": str(images)}
        data = ImageData(read_labelled([table], body.skeleton))
        path = train_on_images(data, body, tmp_path / f"{i}.safetensors", settings)
        curves.append((path.read_bytes(), path.with_suffix(".csv").read_text()))
    assert curves[0] == curves[1]
    lacking = {**table, "images": str(shards / "shard-000002.tar")}
    with pytest.raises(RefineError, match="expected pictures of the 2 images"):
        read_labelled([lacking], body.skeleton)


def test_verbs_look_into_tar_files(cli, pictured, shards, tmp_path):
    truth = refine.read(pictured / "gt.json")
    refine.write(truth, tmp_path / "in.json", "ndjson")
    common = ("run", tmp_path / "in.json", "--picture-weights", "image-small", "-q", "--images")
    for name, images in (("a", pictured), ("b", shards / "shard-{000000..000001}.tar")):
        assert cli(*common, images, "-o", tmp_path / f"{name}.json").code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    one = cli(*common, shards / "shard-000000.tar", "-o", tmp_path / "c.json")
    assert (one.code, "1 of 2 images have a picture in" in one.err) == (0, True)
