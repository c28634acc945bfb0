from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from refine.exceptions import ArrayError, FormatError, RefineWarning, WeightsError
from refine.pipeline import run
from refine.poses import ImageRef, Poses
from refine.refiner.belief import MARGIN
from refine.refiner.image.backbones import resnet
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.refiner import ImageRefiner
from refine.refiner.image.streaming import BATCH, stream_crops
from refine.refiner.image.weights import save_image_weights
from refine.skeletons import skeleton

COCO = skeleton("coco17")
SIZE = (32, 64)
# `people` lacks one.
pytestmark = pytest.mark.filterwarnings("ignore:2 of 3 images have a picture")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """PoseFix of random weights: small crops and few layers, so that tests are quick."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
        patch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
        network = PoseFixNetwork(17, 50)
        # Fresh deconvolutions say next to nothing.
        torch.nn.init.normal_(network.leave.weight, std=20.0)
        save_image_weights(path, network, COCO, SIZE, "sha256:0", {"epoch": 0})
        yield path


@pytest.fixture
def people(tmp_path):
    """Five poses on three images, of which the last has no picture."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(20, 60, (5, 1, 2)) + rng.normal(0, 12, (5, 17, 2))
    xy[1, 5:9] = np.nan
    xy[3] = np.nan
    images = tuple(ImageRef(i, f"{i}.png", 100, 90) for i in (3, 1, 2))
    for i in (3, 1):
        pixels = rng.integers(0, 256, (90, 100, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    poses = Poses.from_arrays(COCO, xy, instance_score=np.arange(5.0))
    return poses.replace(image=np.array([1, 0, 1, 0, 2]), images=images), tmp_path


def test_poses_without_a_picture_are_refined_without(weights, people):
    poses, folder = people
    refiner = ImageRefiner.load(folder, weights)
    belief = refiner.believe(poses)
    assert belief.seen.tolist() == [True, True, True, False, False]
    plain = refiner.pose_refiner.believe(poses)
    assert plain.seen is None
    for name in ("xy", "move", "keep", "sigma_px"):
        ours, without = getattr(belief, name), getattr(plain, name)
        np.testing.assert_array_equal(ours[3:], without[3:])
        assert (ours[:3] != without[:3]).any()
    assert belief.margin[3, 0] == MARGIN
    done = refiner(poses)
    assert len(done) == len(poses)
    assert np.isfinite(done.xy[[0, 1, 2, 4]]).all()
    assert not done.present[3].any()
    assert [s.weights for s in done.history] == [refiner.weights] * 2


def test_what_is_expected_is_a_similarity_and_lies_in_the_crop(weights, people):
    poses, folder = people
    belief = ImageRefiner.load(folder, weights).believe(poses)
    for name in ("keep", "move"):
        value = getattr(belief, name)[:3]
        assert ((value >= 0) & (value <= 1)).all()
    assert (belief.keep[1, 5:9] == 0).all()
    assert (belief.move[:3] >= belief.keep[:3] - 0.01).all()


def test_batches_and_workers_change_nothing(weights, people, monkeypatch):
    poses, folder = people
    refiner = ImageRefiner.load(folder, weights)
    many = replace(refiner, workers=3).believe(poses)
    monkeypatch.setattr("refine.refiner.image.streaming.BATCH", 2)
    few = replace(refiner, workers=1).believe(poses)
    np.testing.assert_allclose(many.xy, few.xy, atol=1e-3)
    np.testing.assert_allclose(many.oks, few.oks, atol=1e-5)


def test_pictures_come_from_a_folder_a_mapping_or_a_function(weights, people):
    poses, folder = people
    refiner = ImageRefiner.load(folder, weights)
    arrays = {f"{i}.png": np.asarray(Image.open(folder / f"{i}.png")) for i in (3, 1)}
    unsized = replace(poses, images=tuple(ImageRef(r.id, r.file_name) for r in poses.images))
    for images in (
        arrays,
        {3: folder / "3.png", 1: str(folder / "1.png")},
        lambda ref: arrays.get(ref.file_name),
    ):
        belief = replace(refiner, images=images).believe(unsized)
        assert belief.seen.tolist() == [True, True, True, False, False]
        # The last image has no picture to tell its size.
        np.testing.assert_array_equal(belief.xy[:4], refiner.believe(poses).xy[:4])


def test_every_crop_comes_once_and_in_batches(people):
    from refine.geometry import Crop
    from refine.refiner.image.crops import find_pictures

    poses, folder = people
    image = np.repeat([0, 1], BATCH)
    crop = Crop.from_box(np.tile([10.0, 10, 50, 60], (len(image), 1)), SIZE)
    paths = find_pictures(folder, poses.images)
    rows, sizes = [], []
    for some, crops in stream_crops(image, np.arange(len(image)), paths, crop, 2):
        rows += some.tolist()
        sizes.append(crops.shape)
    assert sorted(rows) == list(range(2 * BATCH))
    assert sizes == [(BATCH, SIZE[1], SIZE[0], 3)] * 2


def test_bad_input_is_said(weights, people, tmp_path):
    poses, folder = people
    (folder / "1.png").write_bytes(b"no picture")
    refiner = ImageRefiner.load(folder, weights)
    with pytest.warns(RefineWarning, match=r"without 1 of the pictures.*read: 1\.png"):
        refiner(poses)
    with pytest.raises(FormatError, match="folder of pictures"):
        replace(refiner, images=folder / "none")(poses)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), 5):
        with pytest.raises(ArrayError, match="expected pictures"):
            replace(refiner, images={3: bad})(poses)
    (tmp_path / "bad.safetensors").write_bytes(b"rubbish")
    with pytest.raises(WeightsError, match="refine train --images"):
        ImageRefiner.load(folder, tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match="got 'imge'; try image or image-small, the eyes"):
        ImageRefiner.load(folder, "imge")


def test_a_picture_that_breaks_off_does_not_end_a_run(weights, people):
    poses, folder = people
    refiner = ImageRefiner.load(folder, weights)
    alone = refiner.believe(poses[[0, 2]])
    data = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(data[: len(data) // 2])
    with pytest.warns(RefineWarning, match=r"without 1 of the pictures.*read: 3\.png"):
        belief = refiner.believe(poses)
    assert (belief.unread, belief.unfit) == (1, 0)
    assert belief.seen.tolist() == [True, False, True, False, False]
    # Batches of the same size: convolutions of others round otherwise.
    np.testing.assert_array_equal(belief.xy[[0, 2]], alone.xy)
    np.testing.assert_array_equal(belief.xy[1], refiner.pose_refiner.believe(poses).xy[1])


def test_pictures_of_another_size_are_not_looked_at(weights, people):
    poses, folder = people
    Image.new("RGB", (50, 45)).save(folder / "1.png")
    with pytest.warns(RefineWarning, match="do not fit: 1.png .50 x 45 px, told 100 x 90"):
        done = run(poses, pictures=folder, picture_weights=str(weights))
    [look] = [s.parameters for s in done.history if s.name == "look"]
    assert look == {"poses": 1, "without_picture": 4, "unfit": 1}


def test_a_calibration_takes_any_refiner(weights, pictured, tmp_path):
    import refine
    from refine.calibration import write_calibration
    from refine.calibration.fit import fit, read_sample

    truth = refine.read(pictured / "gt.json")
    rng = np.random.default_rng(0)
    poses = replace(truth, xy=truth.xy + rng.normal(0, 5, truth.xy.shape), area=None, box=None)
    refiner = ImageRefiner.load(pictured, weights)
    sample = read_sample(pictured / "gt.json", poses, refiner)
    assert sample.belief.seen.all()
    assert sample[np.array([1, 0])].belief.margin.shape == (2, 1)
    path = tmp_path / "c.json"
    write_calibration(replace(fit(sample, refiner), margin=0.25), path)
    config = refine.Config(
        pictures=str(pictured), picture_weights=str(weights), calibration=str(path)
    )
    done = refine.run(poses, config)
    assert [s.name for s in done.history][:3] == ["join", "look", "complete"]
    assert {s.weights for s in done.history[1:5]} == {refiner.weights}
    assert done.history[3].parameters["margin"] == 0.25
    assert done.history[4].parameters == {"scores": "calibrated"}
    with pytest.raises(refine.RefineError, match="a calibration made with the weights"):
        refine.run(poses, replace(config, pictures=None))
