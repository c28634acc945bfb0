"""PoseFix as published: its network, errors, losses, test, and all of it from file to file."""

import numpy as np
import pytest
import torch

from refine.errors.statistics import read_statistics
from refine.exceptions import WeightsError
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.belief import Belief
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.backbones import resnet
from refine.refiner.image.network_reader import NetworkReader
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.posefix_dataset import augmented_crops, draw_posefix_rows, guess_joints
from refine.refiner.image.posefix_inference import mirrored, predict_posefix_crops, shown_joints
from refine.refiner.image.posefix_loss import posefix_losses
from refine.refiner.image.settings import read_preset
from refine.refiner.image.train import ImageData, Run, train_on_images
from refine.refiner.image.weights import load_image_weights
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropQuery
from refine.skeletons import skeleton

COCO = skeleton("coco17")
SIZE = (96, 128)


@pytest.fixture(scope="module")
def labelled(pictured, body):
    sets = [{"annotations": str(pictured / "gt.json"), "images": str(pictured)}]
    return read_labelled(sets, body.skeleton)


@pytest.fixture
def network(monkeypatch):
    """The network, but of one bottleneck a stage."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    torch.manual_seed(0)
    made = PoseFixNetwork(17, 50, sigma=3.5).eval()
    # Fresh deconvolutions say next to nothing.
    torch.nn.init.normal_(made.leave.weight, std=20.0)
    return made


def told(rng, n, size, shown=1.0):
    xy = rng.uniform(0, 1, (n, 17, 2)) * np.array(size)
    own = np.concatenate([xy, rng.random((n, 17, 1)) < shown], -1) * 1.0
    own[own[..., 2] == 0] = 0
    return own.astype(np.float32)


def test_two_convolutions_summed_are_one_over_picture_and_heatmaps(network):
    """Of pixels less their mean and heatmaps 255 high, both over ImageNet's deviation."""
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.uniform(0, 255, (2, 3, 64, 32)).astype("f4"))
    hints = told(rng, 2, (32, 64), shown=0.7)
    got = []
    network.backbone.bn1.register_forward_pre_hook(lambda _, inputs: got.append(inputs[0]))
    network(pixels, torch.from_numpy(hints))
    y, x = np.mgrid[:64, :32]
    own = hints[..., None, None]
    distance = (x - own[:, :, 0]) ** 2 + (y - own[:, :, 1]) ** 2
    drawn = 255 * np.exp(-distance / (2 * 3.5**2)) * (own[:, :, 2] > 0)
    deviation = 255 * np.array([0.229, 0.224, 0.225])
    colours = (pixels.numpy() - 255 * np.array([0.485, 0.456, 0.406])[:, None, None]) / deviation[
        :, None, None
    ]
    stacked = torch.from_numpy(np.concatenate([colours, drawn / deviation.mean()], 1)).float()
    weight = torch.cat([network.backbone.conv1.weight, network.pose.weight], 1)
    want = torch.nn.functional.conv2d(stacked, weight, stride=2, padding=3)
    torch.testing.assert_close(got[0], want, rtol=1e-4, atol=1e-4)


def test_maps_are_a_quarter_of_the_crop(network):
    hints = told(np.random.default_rng(0), 1, SIZE)
    said = network(torch.zeros(1, 3, SIZE[1], SIZE[0]), torch.from_numpy(hints))
    assert said.shape == (1, 17, SIZE[1] // 4, SIZE[0] // 4)


def test_crops_are_drawn_as_published():
    rng = np.random.default_rng(0)
    box = np.tile([10.0, 20, 70, 180], (4000, 1))
    crop, turned = augmented_crops(box, (192, 256), rng)
    centre = crop(np.tile([40.0, 100.0], (4000, 1))[:, None])[:, 0]
    np.testing.assert_allclose(centre[~turned], np.tile([96.0, 128], ((~turned).sum(), 1)))
    np.testing.assert_allclose(centre[turned, 0], 95)
    assert abs(turned.mean() - 0.5) < 0.03
    determinant = np.linalg.det(crop.matrix[:, :, :2])
    assert ((determinant < 0) == turned).all()
    # The box is 160 high, so 200 padded: 256 px of the crop at scale 1.
    scale = 256 / 200 / np.sqrt(np.abs(determinant))
    assert scale.min() >= 0.7 - 1e-9
    assert scale.max() <= 1.3 + 1e-9
    assert abs(np.median(scale) - 1) < 0.03
    angle = np.rad2deg(np.arctan2(crop.matrix[~turned, 0, 1], crop.matrix[~turned, 0, 0]))
    assert abs((np.abs(angle) > 1e-6).mean() - 0.6) < 0.03
    assert np.abs(angle).max() <= 80 + 1e-6


def test_rows_hold_the_truth_of_the_crop_and_wrong_joints_near_it(labelled, body):
    statistics = read_statistics("posefix")
    guessed = guess_joints(labelled, body)
    assert np.isfinite(guessed).all()
    rng = np.random.default_rng(0)
    persons = labelled.persons
    near, seen = [], 0
    for _ in range(20):
        rows = draw_posefix_rows(labelled, guessed, COCO, statistics, SIZE, rng)
        assert len(rows) == len(persons)
        labels = rows.weight > 0
        assert ((rows.target[labels] >= 0) & (rows.target[labels] < SIZE)).all()
        assert (rows.target[~labels] == 0).all()
        # Back in the picture every label is one of the picture's, of the same side.
        back = Crop(rows.matrix, SIZE).inverse()(rows.target)
        flipped = np.linalg.det(rows.matrix[:, :, :2]) < 0
        back = np.where(flipped[:, None, None], back[:, COCO.mirror], back)
        labels_back = np.where(flipped[:, None], labels[:, COCO.mirror], labels)
        for row, joint in np.argwhere(labels_back):
            there = persons.xy[persons.image == rows.image[row], joint]
            assert np.nanmin(np.abs(there - back[row, joint]).max(-1)) < 1e-3
        distance = np.hypot(*np.moveaxis(rows.own[..., :2] - rows.target, -1, 0))
        near += (distance / np.sqrt(rows.area)[:, None])[labels & (rows.own[..., 2] > 0)].tolist()
        seen += int(flipped.sum())
    assert 0 < seen < 20 * len(persons)
    # Good and jittered joints (KS above .5) are about nine in ten.
    assert 0.75 < np.mean(np.array(near) < 1.1774 * 2 * COCO.sigmas.max()) < 0.99


def test_losses_are_means_over_all_joints():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 3, 6, 5))
    target = rng.uniform(0, 4, (2, 3, 2))
    weight = np.array([[1.0, 0, 0.5], [1, 1, 0]])
    chance = np.exp(maps) / np.exp(maps).sum((2, 3), keepdims=True)
    y, x = np.mgrid[:6, :5]
    entropy, off = np.zeros((2, 3)), np.zeros((2, 3))
    for i in range(2):
        for j in range(3):
            u, v = target[i, j]
            hot = np.maximum(1 - abs(x - u), 0) * np.maximum(1 - abs(y - v), 0)
            entropy[i, j] = -(hot / hot.sum() * np.log(chance[i, j])).sum()
            mean = (chance[i, j] * x).sum(), (chance[i, j] * y).sum()
            off[i, j] = np.abs(np.array(mean) - target[i, j]).mean()
    tensors = [torch.from_numpy(a) for a in (target, weight)]
    own = torch.from_numpy(np.concatenate([target, np.ones((2, 3, 1))], -1))
    found = posefix_losses(torch.from_numpy(maps), own, *tensors, torch.ones(2, 3))
    np.testing.assert_allclose(found.coarse, (entropy * weight).mean())
    np.testing.assert_allclose(found.fine, (off * weight).mean())
    np.testing.assert_allclose(found.total, found.coarse + found.fine)
    np.testing.assert_allclose(found.before, 1)


def test_looking_at_mirrored_people_gives_mirrored_places(network):
    rng = np.random.default_rng(2)
    crops = rng.integers(0, 256, (2, SIZE[1], SIZE[0], 3)).astype(np.uint8)
    hints, kernel = told(rng, 2, SIZE, shown=0.8), rng.uniform(3, 9, (2, 17))
    rows, oks, again = np.arange(2), np.full(2, 0.5), mirrored(hints, SIZE[0], COCO.mirror)
    [(_, plain)] = predict_posefix_crops(network, [(rows, crops)], hints, kernel, oks, COCO.mirror)
    [(_, turned)] = predict_posefix_crops(
        network, [(rows, crops[:, :, ::-1])], again, kernel[:, COCO.mirror], oks, COCO.mirror
    )
    back = turned.xy[:, COCO.mirror]
    back[..., 0] = SIZE[0] - 1 - back[..., 0]
    np.testing.assert_allclose(plain.xy, back, atol=1e-2)
    for name in ("move", "keep", "sigma"):
        ours, theirs = getattr(plain, name), getattr(turned, name)[:, COCO.mirror]
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    [(_, once)] = predict_posefix_crops(network, [(rows, crops)], hints, kernel, oks)
    assert np.abs(once.xy - plain.xy).max() > 0.1
    assert (plain.keep[hints[..., 2] == 0] == 0).all()


def test_missing_joints_are_shown_where_the_pose_alone_puts_them():
    rng = np.random.default_rng(0)
    xy, put = rng.uniform(0, 60, (2, 2, 17, 2))
    present = rng.random((2, 17)) < 0.5
    put[0, 3], present[0, 3] = np.nan, False
    keep, annotated = rng.uniform(0.1, 1, (2, 2, 17))
    scene = Scene(xy, present, np.zeros((2, 17, 2)), np.zeros((2, 3), int), np.zeros((2, 2)))
    flat = np.zeros((2, 17))
    belief = Belief(put, flat, keep, flat, flat, annotated, flat[0], flat[0])
    crop = Crop.from_matrix(np.tile([[2.0, 0, 5], [0, 2, -3]], (2, 1, 1)), SIZE)
    shown = shown_joints(scene, belief, crop)
    want = np.concatenate([2 * xy + [5, -3], keep[..., None]], -1)
    guess = np.concatenate([2 * put + [5, -3], annotated[..., None]], -1)
    guess[0, 3] = 0
    np.testing.assert_allclose(shown, np.where(present[..., None], want, guess), rtol=1e-6)


def test_joints_that_came_missing_have_nothing_to_keep_and_scores_stay(network, body):
    rng = np.random.default_rng(0)
    xy = rng.uniform(10, 90, (2, 17, 2))
    xy[0, 5] = np.nan
    poses = Poses.from_arrays(COCO, xy)
    scene = body.scene(poses)
    belief = body.believe_scene(scene)
    facts = {"joints": COCO.joints, "size": SIZE, "sha256": "0"}
    reader = NetworkReader(network, facts, COCO)
    query = CropQuery(poses, scene, belief, reader.crops(scene, belief))
    crops = rng.integers(0, 256, (2, SIZE[1], SIZE[0], 3)).astype(np.uint8)
    [(rows, found)] = reader.read([(np.array([1, 0]), crops)], query)
    assert rows.tolist() == [1, 0]
    assert found.keep[1, 5] == 0
    assert (found.keep > 0).sum() > 20
    np.testing.assert_array_equal(found.oks, belief.oks[[1, 0]])
    with pytest.raises(WeightsError, match="the 17 joints of coco17, got one of 1: nose"):
        NetworkReader(network, {**facts, "joints": ["nose"]}, COCO)


def test_the_rate_drops_twice(labelled, body, tmp_path, monkeypatch):
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    rates = []
    step = torch.optim.Adam.step

    def noted(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    settings = read_preset("posefix-r50-256", epochs=4, batch=64, size=(32, 64), drops=(1, 3))
    train_on_images(ImageData(labelled), body, tmp_path / "w.safetensors", settings)
    np.testing.assert_allclose(rates, [5e-4, 5e-5, 5e-5, 5e-6])


def test_posefix_trains_resumes_and_runs(labelled, pictured, body, tmp_path, cli, monkeypatch):
    """Of few layers, so that checkpoints are small; tests/cli/test_train.py has all of them."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    settings = read_preset("posefix-r50-256", epochs=2, batch=4, size=(32, 64), mixed=False)
    straight, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    def keep(at):
        """Keep the checkpoint of the first epoch, as an interrupted training leaves it."""
        if at.epoch == 1 and at.step == at.steps:
            straight.with_suffix(".ckpt").rename(again.with_suffix(".ckpt"))

    train_on_images(ImageData(labelled), body, straight, settings, Run(report=keep))
    train_on_images(ImageData(labelled), body, again, settings, Run(resume=True))
    assert straight.read_bytes() == again.read_bytes()
    network, facts = load_image_weights(again)
    assert isinstance(network, PoseFixNetwork)
    assert (facts["architecture"], facts["depth"], facts["sigma"]) == ("posefix", 50, 7)
    assert facts["size"] == [32, 64]
    out = tmp_path / "out.json"
    result = cli(
        "run", pictured / "gt.json", "--from", "coco-gt", "--images", pictured, "--to", "coco",
        "--picture-weights", again, "-o", out,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert f"{len(labelled.persons)} poses looked at in their pictures" in result.err
