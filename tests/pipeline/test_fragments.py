import numpy as np
import pytest

from refine.exceptions import WeightsError
from refine.pipeline.fragments import agreement, fragment_pairs, join_fragments
from refine.poses import ImageRef, Poses
from refine.refiner.pose.refiner import Refiner
from refine.sample import make_people
from refine.skeletons import skeleton

COCO = skeleton("coco17")
UPPER = np.arange(17) < 11


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    return Refiner.load()


@pytest.fixture
def person() -> Poses:
    """The person of a scene that most joints are known of, with scores."""
    truth, _ = make_people(12, np.random.default_rng(3))
    best = int(truth.present.sum(1).argmax())
    one = truth[[best]]
    return one.replace(score=np.where(one.present, 0.7, np.nan), instance_score=np.array([0.6]))


def cut(person: Poses, *parts) -> Poses:
    """Poses that have only the joints of each part."""
    several = person[np.zeros(len(parts), int)]
    keep = np.array(parts)
    return several.replace(
        xy=np.where(keep[..., None], several.xy, np.nan),
        score=np.where(keep, several.score, np.nan),
        extra=tuple({"part": i} for i in range(len(parts))),
    )


def test_pairs_lack_something_the_other_has_and_share_little():
    present = np.array([UPPER, ~UPPER, np.ones(17, bool), UPPER, np.zeros(17, bool)])
    assert fragment_pairs(present, np.array([1, 0, 0, 0, 0])).tolist() == [[1, 3]]
    assert fragment_pairs(present, np.array([0, 0, 1, 2, 0])).tolist() == [[0, 1]]
    assert fragment_pairs(present[:0], np.zeros(0, int)).shape == (0, 2)


def test_agreement_is_one_where_all_lies_as_believed():
    xy = np.random.default_rng(0).uniform(0, 100, (1, 17, 2)).repeat(2, 0)
    pairs, half = np.array([[0, 1]]), np.full((2, 17), 0.5)
    there = np.array([UPPER, ~UPPER])
    size, sigmas = np.full(2, 80.0), COCO.require_sigmas()
    assert agreement(xy, there, pairs, xy, half, size, sigmas)[0] == pytest.approx(2)
    assert agreement(xy, there, pairs, xy + 500, half, size, sigmas)[0] == pytest.approx(0)
    common = there | (np.arange(17) == 3)
    moved = xy + np.array([0, 500])[:, None, None]
    assert agreement(moved, common, pairs, moved, half, size, sigmas)[0] == pytest.approx(0)


def test_two_halves_become_one_person(person, refiner):
    halves = cut(person, UPPER, ~UPPER).replace(
        box=np.array([[0.0, 0, 9, 5], [1, 4, 8, 20]]), area=np.array([45.0, 112.0])
    )
    done = join_fragments(halves, refiner)
    assert len(done) == 1
    assert done.box.tolist() == [[0, 0, 9, 20]]
    assert done.area.tolist() == [157]
    np.testing.assert_array_equal(done.xy, person.xy)
    np.testing.assert_array_equal(done.score, person.score)
    assert done.extra == ({"part": 0, "joined": {"part": 1}},)
    assert done.history[-1].name == "join"
    assert done.history[-1].parameters == {"fragments": 1}


def test_halves_that_lie_apart_stay_two(person, refiner):
    halves = cut(person, UPPER, ~UPPER)
    apart = halves.replace(xy=halves.xy + np.array([0, 400.0])[:, None, None])
    assert len(join_fragments(apart, refiner)) == 2


def test_halves_on_two_images_stay_two(person, refiner):
    halves = cut(person, UPPER, ~UPPER).replace(image=np.array([0, 1]), images=person.images[:2])
    assert len(join_fragments(halves, refiner)) == 2


def test_order_is_kept_and_each_joins_once(person, refiner):
    far = person.replace(xy=person.xy + 3000, extra=({"part": 9},))
    halves = cut(person, ~UPPER, UPPER, ~UPPER)
    several = Poses.concat([far, halves])
    done = join_fragments(several, refiner)
    assert len(done) == 3
    assert done.extra[0]["part"] == 9


def test_whole_poses_are_not_touched(person, refiner):
    two = person[[0, 0]]
    assert len(join_fragments(two, refiner)) == 2


def test_skeletons_with_a_derived_joint(person, refiner):
    body = skeleton("openpose18")
    place, _ = body.map_from(COCO)
    xy = np.where(place[:, None] >= 0, person.xy[0][place], np.nan)
    neck = body.index("neck")
    upper = UPPER[place] & (place >= 0)
    upper[neck] = True
    xy[neck] = np.nanmean(xy[[body.index("left_shoulder"), body.index("right_shoulder")]], 0)
    lower = ~upper & (place >= 0)
    parts = np.where(np.array([upper, lower])[..., None], xy, np.nan)
    done = join_fragments(Poses.from_arrays(body, parts, images=person.images[:1]), refiner)
    assert len(done) == 1


def test_no_poses(person, refiner):
    assert len(join_fragments(person[[]], refiner)) == 0


def test_a_skeleton_without_weights(refiner):
    xy = np.zeros((2, 21, 2))
    xy[0, :10], xy[1, 10:] = np.nan, np.nan
    with pytest.raises(WeightsError, match="refine train"):
        join_fragments(Poses.from_arrays(skeleton("hand21"), xy), refiner)


def test_joints_are_looked_for_once_and_not_for_every_pair(person, refiner, monkeypatch):
    asked = []
    present = Poses.present.fget
    monkeypatch.setattr(Poses, "present", property(lambda p: asked.append(1) or present(p)))
    counts = []
    for copies in (1, 8):
        halves = Poses.concat(
            [
                cut(person, UPPER, ~UPPER).replace(images=(ImageRef(i),), image=np.zeros(2, int))
                for i in range(copies)
            ]
        )
        asked.clear()
        assert len(join_fragments(halves, refiner)) == copies
        counts.append(len(asked))
    assert counts[0] == counts[1]
