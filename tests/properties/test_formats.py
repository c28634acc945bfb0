"""Whatever a format can hold comes back from it as it went in."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.formats.containers import natural_key
from refine.history import Step

COCO, OPENPOSE = refine.skeleton("coco17"), refine.skeleton("openpose18")
OWN = refine.Skeleton(
    "own",
    ("tail", "left_ear", "right_ear"),
    ((0, 1),),
    np.array([0.1, 0.2, 0.3]),
    ("lower", "head", "head"),
)


@dataclass(frozen=True)
class Holds:
    """What a format has a place for."""

    ids: str  # "any", "names", "numbers" or "count"
    body: refine.Skeleton = COCO
    instance: bool = True
    box: bool = True
    area: bool = True
    track: bool = True
    empty: bool = True  # images without poses, and so images in an order of their own
    about: tuple[str, ...] = ()  # fields of an image
    image_extra: bool = True
    kinds: tuple[str, ...] = ("unknown",)


PLAIN = {"instance": False, "box": False, "area": False}
FORMATS = {
    "coco": Holds("any", empty=False, image_extra=False),
    "alphapose": Holds("any", empty=False, image_extra=False),
    "coco-gt": Holds("any", about=("file_name", "width", "height"), kinds=("flag",)),
    "openpose": Holds("names", OPENPOSE, **PLAIN),
    "controlnet": Holds("count", OPENPOSE, **PLAIN, about=("width", "height", "frame")),
    "alphapose-cmu": Holds("names", OPENPOSE, **PLAIN),
    "alphapose-open": Holds("names", OPENPOSE, **PLAIN),
    "mmpose": Holds("numbers", area=False, about=("frame",)),
    "detectron2": Holds("any", area=False, image_extra=False),
    "parquet": Holds(
        "numbers", OWN, about=("file_name", "width", "height", "frame"), kinds=("peak", "flag")
    ),
    "ndjson": Holds(
        "any", OWN, about=("file_name", "width", "height", "frame"), kinds=("peak", "expected_ks")
    ),
}  # fmt: skip

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | text
plain |= st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(text, x, max_size=3)
)
extras = st.dictionaries(text.map("x_{}".format), values, max_size=3)
names = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\."), min_size=1, max_size=6
)
sizes = st.integers(1, 10_000)
steps = st.builds(
    Step,
    st.sampled_from(["complete", "suppress", "rescore"]),
    st.dictionaries(st.sampled_from(["threshold", "note", "of"]), values, max_size=2),
    st.none() | st.just("sha256:0123456789ab"),
)
IDS = {
    "any": st.lists(st.integers(-(2**53), 2**53) | text, unique=True, max_size=4),
    "names": st.lists(names, unique=True, max_size=4).map(lambda ids: sorted(ids, key=natural_key)),
    "numbers": st.lists(st.integers(0, 2**40), unique=True, min_size=2, max_size=4),
    "count": st.integers(2, 4).map(range),
}


@st.composite
def images(draw, holds):
    about = {"file_name": text, "width": sizes, "height": sizes}
    return tuple(
        refine.ImageRef(
            i,
            frame=i if "frame" in holds.about and isinstance(i, int) and i >= 0 else None,
            extra=draw(extras) if holds.image_extra else {},
            **{field: draw(about[field]) for field in holds.about if field in about},
        )
        for i in draw(IDS[holds.ids])
    )


@st.composite
def poses(draw, holds):
    refs = draw(images(holds))
    k = len(holds.body)
    counts = [draw(st.integers(0 if holds.empty else 1, 2)) for _ in refs]
    image = np.repeat(np.arange(len(refs)), counts)
    n = len(image)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    digits = draw(st.sampled_from([0, 2, 17]))
    xy = rng.uniform(1.5, 4000, (n, k, 2)).round(digits)
    xy[rng.random((n, k)) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    present = np.isfinite(xy).all(-1)
    score = rng.uniform(0.01, 6, (n, k)).round(digits)
    kind = draw(st.sampled_from(holds.kinds))
    if kind == "flag":
        score = rng.integers(1, 3, (n, k)).astype(float)
    score[~present] = 0
    box = np.sort(rng.uniform(0, 999, (n, 2, 2)).round(3), axis=1).reshape(n, 4)
    some = rng.random(n) < 0.7
    history = tuple(draw(st.lists(steps, max_size=2))) if n else ()
    return refine.Poses(
        holds.body,
        xy,
        score,
        np.where(some & holds.instance, rng.normal(size=n), np.nan),
        image,
        refs,
        score_kind=kind,
        box=np.where(some[:, None], box, np.nan) if holds.box and some.any() else None,
        area=np.where(some, rng.uniform(1, 1e6, n), np.nan) if holds.area and some.any() else None,
        track=np.where(some, rng.integers(0, 2**40, n), -1) if some.any() else None,
        history=history,
        extra=tuple(draw(extras) for _ in range(n)),
    )


def through(before, format):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("files" if format == "openpose" else "file.json")
        refine.write(before, path, format)
        given_ = None if before.skeleton == OWN else before.skeleton
        if format == "openpose" and not any(path.iterdir()):
            return before
        after = refine.read(path, format, skeleton=given_)
        again = Path(folder) / ("more" if format == "openpose" else "more.json")
        refine.write(after, again)
        assert content(again) == content(path)
        return after


def content(path):
    if path.is_dir():
        return {f.name: json.loads(f.read_text("utf-8")) for f in path.iterdir()}
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_read_is_the_inverse_of_write(format, data):
    before = data.draw(poses(FORMATS[format]))
    after = through(before, format)
    assert after.skeleton == before.skeleton
    for new, old in zip(after.images, before.images, strict=True):
        assert (new.id, new.width, new.height) == (old.id, old.width, old.height)
        assert {k: v for k, v in new.extra.items() if k in old.extra} == dict(old.extra)
        for field in FORMATS[format].about:
            assert getattr(new, field) == getattr(old, field)
    for field in ("xy", "score", "image", "track"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field), field)
    filled = {
        "coco": {"instance_score"},
        "alphapose": {"instance_score"},
        "coco-gt": {"box", "area"},
    }
    for field in ("instance_score", "area", "box"):
        old, new = getattr(before, field), getattr(after, field)
        demanded = field in filled.get(format, ())
        if old is None or new is None:
            assert (old is None) == (new is None) or demanded
            continue
        known = np.isfinite(old)
        np.testing.assert_allclose(new[known], old[known], rtol=1e-12)
        assert demanded or not np.isfinite(new[~known]).any()
        assert field != "instance_score" or not demanded or np.isfinite(new).all()
    assert after.history == before.history
    for new, old in zip(after.extra, before.extra, strict=True):
        assert {k: v for k, v in new.items() if k in old} == dict(old)
    if after.skeleton == OWN:
        assert after.score_kind == before.score_kind
        assert (after.skeleton.edges, after.skeleton.regions) == (OWN.edges, OWN.regions)
        np.testing.assert_array_equal(after.skeleton.sigmas, before.skeleton.sigmas)
