"""`Poses`: shapes, selection, joining, iteration, and that nothing is changed in place."""

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.exceptions import ArrayError, SkeletonError
from refine.history import Step
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton

TABLE = Skeleton("three", ("a", "b", "c"))


def poses(n=6, images=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    return Poses.from_arrays(
        TABLE,
        rng.uniform(0, 9, (n, 3, 2)),
        rng.random((n, 3)),
        instance_score=rng.random(n),
        image=rng.integers(images, size=n),
        images=[ImageRef(i) for i in range(images)],
        **more,
    ).replace(extra=tuple({"n": i} for i in range(n)))


def test_from_arrays_defaults():
    one = Poses.from_arrays(TABLE, np.zeros((3, 2)))
    assert len(one) == 1
    assert one.score_kind == "none"
    assert np.isnan(one.score).all()
    assert np.isnan(one.instance_score).all()
    assert one.images == (ImageRef(0),)
    assert one.extra == ({},)
    assert len(Poses.from_arrays(TABLE, np.zeros((2, 3, 2)), image=[0, 4]).images) == 5


def test_arguments_are_copied():
    xy = np.zeros((1, 3, 2))
    made = Poses.from_arrays(TABLE, xy)
    xy += 7
    assert made.xy.max() == 0


def test_present():
    xy = np.zeros((1, 3, 2))
    xy[0, 1, 0], xy[0, 2] = np.nan, np.inf
    assert Poses.from_arrays(TABLE, xy).present.tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    "rows", [slice(1, 4), [5, 0], np.array([True, False] * 3), slice(None, None, -1), []]
)
def test_selection(rows):
    base = poses(box=np.arange(24.0).reshape(6, 4), area=np.arange(6.0))
    base = base.replace(track=np.arange(6))
    index = np.arange(6)[rows]
    some = base[rows]
    assert [e["n"] for e in some.extra] == index.tolist()
    for name in ("xy", "score", "instance_score", "image", "box", "area", "track"):
        np.testing.assert_array_equal(getattr(some, name), getattr(base, name)[index])
    assert some.images == base.images
    assert len(base) == 6


def test_one_pose_and_each_in_turn():
    base = poses(area=np.arange(6.0))
    assert len(base[2]) == len(base[np.int64(2)]) == 1
    assert base[2].extra == ({"n": 2},)
    assert base[-1].area.tolist() == [5]
    assert base[2].images == base.images
    assert [one.extra[0]["n"] for one in base] == list(range(6))
    np.testing.assert_array_equal(Poses.concat(list(base)).xy, base.xy)
    assert list(Poses.empty(TABLE)) == []


@pytest.mark.parametrize(("rows", "error"), [(6, IndexError), ([[0, 1]], ArrayError)])
def test_an_index_that_is_none(rows, error):
    with pytest.raises(error):
        poses()[rows]


def test_what_is_shown_is_one_line():
    assert repr(poses().done("nms").done("rescore")) == (
        "<Poses: 6 of three, images: 3, score kind: unknown, steps: nms, rescore>"
    )
    assert repr(Poses.empty("coco17")) == (
        "<Poses: 0 of coco17, images: 0, score kind: none, steps: none>"
    )


def test_a_notebook_shows_the_first_poses_and_no_markup_of_names():
    base = poses(n=20).replace(images=(ImageRef(0, "<script>"),) * 3, track=np.arange(20))
    html = base._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr>") == 10
    assert "..." in html
    assert "..." not in base[:8]._repr_html_()


def test_a_notebook_shows_a_drawing_of_the_first_image():
    base = poses(n=6, images=2).replace(image=np.array([1, 0, 1, 0, 0, 0]))
    there = base.present[base.image == 1].sum()
    html = base._repr_html_()
    root = ElementTree.fromstring(html[: html.index("<table>")])
    drawn = [each for each in root if each.tag.endswith("circle")]
    assert len(drawn) == there > 0
    for each in drawn:
        assert 0 <= float(each.get("cx")) <= 240
        assert 0 <= float(each.get("cy")) <= 180
    bare = base.replace(xy=np.full_like(base.xy, np.nan))
    for nothing in (bare, base[:0], Poses.empty("hand21")):
        assert nothing._repr_html_().startswith("<table>")
    for value in (0.0, 1e300):
        assert (
            "nan" not in base.replace(xy=np.full_like(base.xy, value))._repr_html_().split("<t")[0]
        )


def test_by_image_yields_empty_images_and_keeps_order():
    base = poses(images=5).replace(image=np.array([3, 0, 3, 0, 3, 1]))
    got = {ref.id: rows.tolist() for ref, rows in base.by_image()}
    assert got == {0: [1, 3], 1: [5], 2: [], 3: [0, 2, 4], 4: []}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 2**32 - 1))
def test_concat_undoes_splitting(cuts, seed):
    base = poses(n=6, seed=seed, area=np.arange(6.0))
    bounds = [0, *sorted(cuts), 6]
    parts = [base[a:b] for a, b in itertools.pairwise(bounds)]
    whole = Poses.concat(parts)
    np.testing.assert_array_equal(whole.xy, base.xy)
    np.testing.assert_array_equal(whole.image, base.image)
    np.testing.assert_array_equal(whole.area, base.area)
    assert whole.images == base.images
    assert whole.extra == base.extra


def test_concat_merges_equal_images_and_fills_what_a_part_lacks():
    left = poses(n=2, images=2).replace(image=np.array([0, 1]))
    right = poses(n=1, images=1, box=np.ones((1, 4)))
    right = right.replace(images=(ImageRef(1),), track=np.array([7]))
    both = Poses.concat([left, right])
    assert [r.id for r in both.images] == [0, 1]
    assert both.image.tolist() == [0, 1, 1]
    assert np.isnan(both.box[:2]).all()
    assert both.box[2].tolist() == [1, 1, 1, 1]
    assert both.track.tolist() == [-1, -1, 7]
    assert both.area is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one"),
        ([poses(), Poses.from_arrays(skeleton("coco17"), np.zeros((1, 17, 2)))], "one skeleton"),
        ([poses(), poses().done("nms")], "same steps, .* got none and nms"),
        ([poses().done("nms", threshold=1), poses().done("nms", threshold=0.9)], "same steps"),
        ([poses().done("nms", "a", joints=1), poses().done("nms", "b", joints=1)], "same steps"),
        ([poses(), poses().replace(score_kind="logit")], "one score kind, got 'unknown' and"),
    ],
)
def test_concat_refuses(parts, message):
    with pytest.raises(ArrayError, match=message):
        Poses.concat(parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xy": np.zeros((6, 2, 2))}, r"expected xy \(N, 3, 2\) for 'three'"),
        ({"score": np.zeros((6, 2))}, r"expected score \(6, 3\), got \(6, 2\)"),
        ({"box": np.zeros((6, 5))}, r"expected box \(6, 4\)"),
        ({"track": np.zeros(5, int)}, r"expected track \(6,\)"),
        ({"extra": ({},)}, "expected 6 entries in extra, got 1"),
        ({"image": np.full(6, 3)}, r"image indices 0\.\.2"),
        ({"image": np.full(6, -1)}, r"image indices 0\.\.2"),
    ],
)
def test_arrays_that_do_not_agree(change, message):
    with pytest.raises(ArrayError, match=message):
        poses().replace(**change)


def test_history():
    base = poses()
    once = base.done("nms", threshold=0.9).done("refine", "abc", margin=1)
    assert base.history == ()
    assert once.history == (
        Step("nms", {"threshold": 0.9}),
        Step("refine", {"margin": 1}, "abc"),
    )


def test_runs_are_joined_whatever_they_counted():
    first, second, third = (
        poses(seed=i).done("complete", "w", joints=n, margin=0.1).done("suppress", removed=1)
        for i, n in enumerate((3, 5, 3))
    )
    told = (Step("complete", {"margin": 0.1}, "w"), Step("suppress", {"removed": 1}))
    assert Poses.concat([first, second, third]).history == told
    assert Poses.concat([first, Poses.concat([second, third])]).history == told
    assert Poses.concat([first, third]).history == first.history


def test_skeletons_go_by_name():
    assert Poses.from_arrays("coco17", np.ones((1, 17, 2))).skeleton == skeleton("coco17")
    with pytest.raises(SkeletonError):
        Poses.from_arrays("nobody", np.ones((1, 17, 2)))
