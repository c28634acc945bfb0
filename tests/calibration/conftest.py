import numpy as np
import pytest

from refine.calibration.fit import read_sample
from refine.evaluation.ground_truth import read_ground_truth
from refine.oks import ks_distance
from refine.refiner.pose.refiner import Refiner
from refine.sample import make_people, make_predictions


@pytest.fixture(scope="session")
def refiner():
    return Refiner.load()


@pytest.fixture(scope="session")
def people():
    """Annotated people on 40 images, and a source worse than its poses show.

    Two of three poses are shifted as a whole, far enough that a shoulder's similarity is .4;
    every fifth is sent to where nobody is.
    """
    rng = np.random.default_rng(0)
    truth, _ = make_people(40, rng)
    poses = make_predictions(truth, rng)
    sigmas = truth.skeleton.require_sigmas()
    far = ks_distance(0.4, np.array([np.median(truth.area)]), sigmas)[0, 5]
    angle = rng.uniform(0, 2 * np.pi, len(poses))
    step = (
        far
        * np.stack([np.cos(angle), np.sin(angle)], -1)
        * (rng.random(len(poses)) < 2 / 3)[:, None]
    )
    xy = poses.xy + step[:, None]
    xy[::5] += 300
    return truth, poses.replace(xy=xy)


@pytest.fixture(scope="session")
def ground_truth(people):
    return read_ground_truth(people[0])


@pytest.fixture(scope="session")
def sample(people, ground_truth, refiner):
    return read_sample(ground_truth, people[1], refiner)
