import numpy as np
import pytest
import torch

from refine.refiner.fusion.examples import (
    PARTS,
    examples_of,
    make_example,
    mean_of,
    moved,
    with_eye,
    with_part_of_errors,
)
from refine.refiner.image.fusion_data import read_fusion_data
from tests.oracles.fusion import drawing_eye, people, plain_fusion


@pytest.fixture(scope="module")
def seen(made, body):
    data = read_fusion_data([made], drawing_eye(people(4)[0].xy, "sha256:e"), body)
    return data.persons[0], *data.sources


def test_what_is_seen_is_of_the_person_that_it_is_matched_to(seen, body):
    person, good, poor = seen
    assert [s.name for s in seen] == ["", "good", "poor"]
    truth = people(4)[0].xy
    for one, most in ((person, 0.01), (good, 3), (poor, 12)):
        np.testing.assert_allclose(one.truth, truth, atol=0.01)
        off = np.linalg.norm(one.query.scene.xy - one.truth, axis=-1)
        assert np.median(off) < most
        assert one.heat.shape[:2] == (4, 17)


def test_errors_are_left_in_part(seen, body):
    poor = seen[2]
    for part in (0.0, 0.25, 1.0):
        less = with_part_of_errors(poor, body, part)
        wanted = poor.truth + part * (poor.query.scene.xy - poor.truth)
        np.testing.assert_allclose(less.query.scene.xy, wanted, atol=1e-9)
        assert less.heat is poor.heat
        np.testing.assert_array_equal(less.query.crop.matrix, poor.query.crop.matrix)


def test_joints_go_to_the_near_places_of_the_eye(seen, body):
    poor = seen[2]
    xy = poor.query.scene.xy
    places = xy + 1.0
    places[0, 0] += 500
    half = with_eye(poor, body, places, 0.5).query.scene.xy
    np.testing.assert_array_equal(half[0, 0], xy[0, 0])
    np.testing.assert_allclose(half[1:], xy[1:] + 0.5)


def test_two_sources_meet_where_they_agree(seen, body):
    _, good, poor = seen
    far = poor.query.scene.xy.copy()
    far[0, 0] += 80
    both = mean_of(good, moved(poor, body, far), body)
    one, found = good.query.scene.xy, both.query.scene.xy
    np.testing.assert_array_equal(found[0, 0], one[0, 0])
    mean = np.isclose(found, (one + far) / 2).all(-1)
    assert (mean | (found == one).all(-1)).all()
    assert mean.mean() > 0.3
    assert both.name == "good + poor"


def test_the_judge_is_told_what_similarity_is_right(seen, body):
    person, _, poor = seen
    likelihood = plain_fusion().likelihood
    sigmas = body.skeleton.require_sigmas()
    example, places = make_example(person, likelihood, sigmas)
    assert example.known.all()
    np.testing.assert_allclose(example.right[..., 0], 1, atol=1e-3)
    np.testing.assert_allclose(places, person.truth, atol=5)
    worse, _ = make_example(poor, likelihood, sigmas)
    assert worse.right[..., 0].mean() < 0.8
    assert worse.right[..., 1].mean() > worse.right[..., 0].mean()
    assert worse.source(torch.arange(2)).poses == 2


def test_every_source_comes_with_ever_less_of_its_errors(seen, body):
    found = list(examples_of(seen[1:], plain_fusion().likelihood, body))
    assert len(found) == 2 * 5
    assert sum(eyed for _, eyed, _ in found) == 4
    for name, eyed, examples in found:
        right = [e.right[..., 0][e.known].mean().item() for e in examples]
        assert right == sorted(right), name
        if not eyed:
            assert len(examples) == len(PARTS)
            assert right[-1] == pytest.approx(1, abs=1e-4)
