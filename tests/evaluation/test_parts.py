"""Figures of predictions that come in parts are those of the whole, in every digit."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

import refine
from refine.evaluation import evaluate_pckh, evaluate_pckh_parts
from refine.evaluation.coco import (
    evaluate,
    evaluate_counted,
    evaluate_matched,
    evaluate_parts,
)
from refine.evaluation.parts import Options, aim, join_parts, match_part
from refine.evaluation.predictions import predictions_of
from refine.exceptions import ArrayError, FormatError
from refine.formats import FORMATS, read
from refine.sample import make_people, make_predictions
from tests.oracles.corpora import cut
from tests.properties.fuzzing import budget
from tests.properties.test_parity import case


@budget(150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 6))
def test_any_cut_makes_the_figures_of_the_whole(seed, categories, most):
    truth, rows = case(seed, categories)
    rng = np.random.default_rng(seed)
    if not any(
        r["area"] > 0 and r["num_keypoints"] and not r["iscrowd"] for r in truth["annotations"]
    ):
        return
    if rng.random() < 0.2:
        rows = [{k: v for k, v in row.items() if k != "category_id"} for row in rows]
    poses = read(rows, "coco") if rows else refine.Poses.empty("coco17")
    options = Options(strict=False, max_dets=int(rng.choice([1, 2, 20])))
    if rng.random() < 0.3:
        options = replace(options, image_ids=[1, 3, 5])
    parts = cut(poses, rng.integers(0, most, len(poses.images)).tolist())
    first = poses.image[0] if len(poses) else 0
    parts.sort(key=lambda part: len(poses) and poses.images[first] not in part.images)
    whole = evaluate_counted(truth, poses, options)
    cut_up = evaluate_parts(truth, parts, options)
    assert cut_up.report == whole.report
    assert cut_up.report.to_dict() == whole.report.to_dict()
    for name in ("score", "image", "first", "fate", "person_image", "person_first", "ignored"):
        assert np.array_equal(getattr(cut_up.counts, name), getattr(whole.counts, name))


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(3)
    truth, _ = make_people(30, rng)
    return truth, make_predictions(truth, rng)


def test_parts_pickle_and_come_in_any_order(people):
    truth, poses = people
    target = aim(truth, Options())
    parts = [match_part(target, predictions_of(p)) for p in cut(poses, [i % 4 for i in range(30)])]
    parts = pickle.loads(pickle.dumps(parts))
    expected = evaluate(truth, poses)
    assert 0 < expected["AP"] < 1
    assert evaluate_matched(target, parts[::-1]).report == expected


def test_files_may_be_parts(people, tmp_path):
    truth, poses = people
    files = [tmp_path / f"{i}.json" for i in range(3)]
    for path, part in zip(files, cut(poses, [i % 3 for i in range(30)]), strict=True):
        refine.write(part, path, "coco")
    assert evaluate_parts(truth, files).report == evaluate(truth, poses)


def test_an_image_in_two_parts_is_refused(people):
    truth, poses = people
    with pytest.raises(FormatError, match=r"got image .* in part 0 as well") as caught:
        evaluate_parts(truth, [poses[::2], poses[1::2]])
    assert caught.value.where == "part 1"


def test_a_part_of_another_skeleton_is_refused(people):
    truth, poses = people
    one, other = cut(poses, [i % 2 for i in range(30)])
    with pytest.raises(FormatError, match="one skeleton for all parts, got 'lsp14' after 'coco17'"):
        evaluate_parts(truth, [one, other.to("lsp14")])


def test_areas_of_parts_that_were_matched_apart_must_agree(people):
    truth, poses = people
    one, other = cut(poses, [i % 2 for i in range(30)])
    target = aim(truth, Options())
    found = [one, other.replace(box=np.tile([0.0, 0, 9, 9], (len(other), 1)))]
    parts = [match_part(target, predictions_of(each), f"p{i}") for i, each in enumerate(found)]
    with pytest.raises(FormatError, match="one area for all parts, got 'box' after 'keypoints'"):
        join_parts(target, parts)


def test_some_without_category_are_refused_where_they_matter(people):
    truth, poses = people
    document = json.loads(json.dumps(FORMATS["coco-gt"].write(truth, 2, "document")))
    document["categories"].append(document["categories"][0] | {"id": 7, "name": "else"})
    document["annotations"][0]["category_id"] = 7
    one, other = cut(poses, [i % 2 for i in range(30)])
    one = one.replace(extra=tuple({**e, "category_id": 7} for e in one.extra))
    other = other.replace(extra=tuple({} for _ in other.extra))
    with pytest.raises(FormatError, match=rf"several categories .* got {len(other)} without"):
        evaluate_parts(document, [one, other])


def test_backends_of_others_want_the_whole(people):
    with pytest.raises(ArrayError, match="backend 'refine' for parts, got 'pycocotools'"):
        evaluate_parts(people[0], [people[1]], Options(backend="pycocotools"))


def test_no_parts_at_all_are_no_predictions(people):
    truth, poses = people
    none = evaluate_parts(truth, []).report
    assert none.metrics == evaluate(truth, poses[:0].replace(images=())).metrics
    assert none.images_without_predictions == none.images_with_persons


@budget(20)
@given(st.integers(0, 2**32 - 1))
def test_any_cut_makes_the_pckh_of_the_whole(seed):
    rng = np.random.default_rng(seed)
    images = int(rng.integers(1, 9))
    xy = rng.uniform(0, 200, (images, 16, 2))
    refs = [refine.ImageRef(i) for i in range(images)]
    at = np.arange(images)
    flags = rng.choice([0.0, 2.0, 2.0], (images, 16))
    flags[:, 0] = 2.0
    truth = refine.Poses.from_arrays("mpii16", xy, flags, image=at, images=refs, score_kind="flag")
    heads = [float(rng.choice([30.0, 45.0])) for _ in range(images)]
    truth = truth.replace(extra=tuple({"head_size": head, "category_id": 1} for head in heads))
    found = refine.Poses.from_arrays(
        "mpii16", xy + rng.normal(0, 15, xy.shape), image=at, images=refs
    )[rng.random(images) < 0.8]
    kinds = [{"category_id": 1}, {"category_id": 1}, {"category_id": 5}]
    found = found.replace(extra=tuple(kinds[i] for i in rng.integers(0, 3, len(found))))
    if rng.random() < 0.5:
        found = found.replace(extra=tuple({} for _ in found.extra))
    whole = evaluate_pckh(truth, found)
    parts = cut(found, rng.integers(0, 3, images).tolist())
    assert json.dumps(evaluate_pckh_parts(truth, parts).to_dict()) == json.dumps(whole.to_dict())


def test_two_poses_of_a_person_in_two_parts_are_refused():
    xy = np.arange(32.0).reshape(1, 16, 2)
    truth = refine.Poses.from_arrays("mpii16", xy, np.full((1, 16), 2.0), score_kind="flag")
    truth = truth.replace(extra=({"head_size": 9.0},))
    found = refine.Poses.from_arrays("mpii16", xy)
    with pytest.raises(FormatError, match="one pose for person 1, got a second"):
        evaluate_pckh_parts(truth, [found, found])


def test_numbers_are_names_in_all_parts_or_in_none(people):
    """Of a whole, numbers are names where none is an id; a part alone cannot know."""
    truth, poses = people
    images = tuple(refine.ImageRef(100 + i, f"{900 + i}.jpg") for i in range(30))
    known = truth.replace(images=images)
    by_id = poses.replace(images=tuple(refine.ImageRef(ref.id) for ref in images))
    by_number = poses.replace(images=tuple(refine.ImageRef(900 + i) for i in range(30)))
    halves = [i % 2 for i in range(30)]
    expected = evaluate(known, by_id)
    assert evaluate_parts(known, cut(by_id, halves)).report == expected
    assert evaluate_parts(known, cut(by_number, halves)).report == evaluate(known, by_number)
    mixed = [cut(by_id, halves)[0], cut(by_number, halves)[1]]
    with pytest.raises(FormatError, match="found as those of part 0, got ids that are numbers in"):
        evaluate_parts(known, mixed)
