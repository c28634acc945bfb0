"""Which poses are which, in several stages; what changed, gained and lost."""

import numpy as np
import pytest

import refine
from refine.drawing.cases import find_cases, sort_cases
from refine.drawing.stages import line_up
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import ArrayError, SkeletonError
from refine.poses import ImageRef, Poses
from tests.oracles.records import STANDING

BODY = refine.skeleton("coco17")


def people(*places, images=None):
    """Poses at (image, x): the n-th image of `images`."""
    refs = images or [ImageRef(i) for i in range(1 + max((i for i, _ in places), default=0))]
    xy = np.array([STANDING + np.array([x, 0]) for _, x in places]).reshape(-1, 17, 2)
    return Poses.from_arrays(BODY, xy, image=[i for i, _ in places], images=refs)


def truth_of(poses):
    return read_ground_truth(
        poses.replace(score=np.full(poses.score.shape, 2.0), score_kind="flag")
    )


def test_poses_find_what_they_were():
    before = people((0, 0), (0, 300), (0, 301), (1, 0))
    after = people((1, 4), (0, 302), (0, 900), images=[ImageRef(1), ImageRef(0)])
    after = after.replace(image=1 - np.array([1, 0, 0]))
    stages = line_up({"a": before, "b": after})
    assert [ref.id for ref in stages.images] == [0, 1]
    assert stages.sources[1].tolist() == [3, 2, -1]
    was = stages.before[1]
    np.testing.assert_array_equal(was.xy[:2], before.xy[[3, 2]])
    assert np.isnan(was.xy[2]).all()
    assert stages.before[0] is None


def test_images_meet_by_name_and_learn_from_the_truth():
    before = people((0, 0), images=[ImageRef(7)])
    after = people((0, 0), (1, 0), images=[ImageRef("cam/7.jpg", "cam/7.jpg"), ImageRef(9)])
    truth = truth_of(people((0, 0), images=[ImageRef(7, "cam/7.jpg", 640, 480)]))
    stages = line_up({"before": before, "after": after}, truth)
    assert len(stages.images) == 3
    assert stages.images[0] == ImageRef(7, "cam/7.jpg", 640, 480)
    named = before.replace(images=(ImageRef(7, "cam/7.jpg"),))
    stages = line_up({"before": named, "after": after}, truth)
    assert [ref.id for ref in stages.images] == [7, 9]
    assert stages.heads == ["before", "after", "ground truth"]
    assert line_up({"a": before}).heads == []


def test_what_changed_most_comes_first():
    before = people((0, 0), (1, 0), (2, 0), (2, 300))
    after = before.replace(xy=before.xy + np.array([0.0, 5.0, 0.0, 0.0])[:, None, None])
    xy = after.xy.copy()
    xy[3, :8] += 30
    stages = line_up({"before": before, "after": after.replace(xy=xy)})
    cases = find_cases(stages)
    assert [case.image for case in sort_cases(cases, "file")] == [0, 1, 2]
    assert [case.image for case in sort_cases(cases, "change")] == [2, 1, 0]
    assert cases[0].change == 0
    persons = sort_cases(find_cases(stages, persons=True), "change")
    assert [(c.image, [r.tolist() for r in c.rows]) for c in persons[:2]] == [
        (2, [[3], [3]]),
        (1, [[1], [1]]),
    ]


def test_filled_and_new_and_removed_poses():
    before = people((0, 0), (0, 500))
    xy = before.xy.copy()
    xy[0, :9] = np.nan
    filled = line_up({"a": before.replace(xy=xy), "b": people((0, 0))})
    (case,) = find_cases(filled)
    assert case.change == pytest.approx(9 / 17)
    assert [r.tolist() for r in case.rows] == [[0, 1], [0]]
    new = line_up({"a": people((0, 0)), "b": people((0, 0), (0, 500))})
    assert find_cases(new)[0].change == 0
    rows = [[r.tolist() for r in case.rows] for case in find_cases(new, persons=True)]
    assert rows == [[[0], [0]], [[], [1]]]


def test_oks_is_that_of_the_person_and_orders_cases():
    truth = people((0, 0), (1, 0), (1, 500))
    before = people((0, 20), (1, 0))
    after = people((0, 0), (1, 10))
    stages = line_up({"before": before, "after": after}, truth_of(truth))
    cases = find_cases(stages)
    assert cases[0].oks[1] == pytest.approx(1)
    assert cases[1].oks[0] == pytest.approx(0.5)
    assert [c.image for c in sort_cases(cases, "gain")] == [0, 1]
    assert [c.image for c in sort_cases(cases, "loss")] == [1, 0]
    assert [c.image for c in sort_cases(cases, "worst")] == [1, 0]
    persons = find_cases(stages, persons=True)
    assert [c.truth.tolist() for c in persons] == [[0], [1], [2]]
    assert [len(c.rows[1]) for c in persons] == [1, 1, 0]
    assert persons[2].oks == pytest.approx((0, 0))
    from refine.oks import pairwise_oks

    area = truth_of(truth).persons.area
    expected = pairwise_oks(truth.xy[:1], before.xy[:1], area[:1], BODY.require_sigmas())[0, 0]
    assert persons[0].oks[0] == pytest.approx(expected)


def test_people_whom_nobody_found():
    truth = truth_of(people((0, 0), (1, 0)))
    found = people((0, 0))
    assert len(find_cases(line_up({"a": found}, truth))) == 1
    asked = found.replace(images=(*found.images, ImageRef(1)))
    cases = find_cases(line_up({"a": asked}, truth))
    assert [c.oks for c in sort_cases(cases, "worst")] == [(0.0,), (pytest.approx(1),)]


def test_orders_that_say_nothing():
    alone = find_cases(line_up({"a": people((0, 0))}))
    for order, needs in (("change", "two stages"), ("worst", "ground truth"), ("gain", "two")):
        with pytest.raises(ArrayError, match=needs):
            sort_cases(alone, order)
    with pytest.raises(ArrayError, match="expected an order"):
        sort_cases(alone, "best")
    assert sort_cases([], "change") == []
    with pytest.raises(ArrayError, match="at least one stage"):
        line_up({})


def test_other_skeletons():
    before = people((0, 0))
    after = before.to("openpose18")
    (case,) = find_cases(line_up({"a": before, "b": after}))
    assert case.change == 0
    hand = Poses.from_arrays("hand21", np.random.default_rng(0).uniform(0, 99, (2, 21, 2)))
    (case,) = find_cases(line_up({"a": hand, "b": hand}))
    assert case.change == 0
    with pytest.raises(SkeletonError, match="shares joints"):
        line_up({"a": before, "b": hand})
    two = Poses.from_arrays(refine.Skeleton("bone", ("head", "foot")), [[[3.0, 4.0], [9.0, 9.0]]])
    assert len(find_cases(line_up({"a": two, "b": two}))) == 1
    with pytest.raises(SkeletonError, match="sigmas"):
        find_cases(line_up({"a": two}, truth_of(two)))


def test_scores_beyond_one_are_alike_on_all_images():
    poses = people((0, 0), (1, 0)).replace(
        score=np.array([[2.0], [12.0]]) * np.ones(17), score_kind="unknown"
    )
    np.testing.assert_allclose(line_up({"a": poses}).poses[0].score[:, 0], [1 / 6, 1])
    logits = line_up({"a": poses.replace(score_kind="logit")}).poses[0]
    np.testing.assert_array_equal(logits.score, poses.score)
