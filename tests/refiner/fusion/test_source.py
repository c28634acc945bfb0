import json
import tempfile
from dataclasses import asdict, replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from refine.exceptions import FormatError
from refine.refiner.fusion.source import (
    FORMAT,
    PSEUDO,
    TYPICAL,
    SourceProfile,
    measure_source,
    read_profile,
    save_profile,
)
from tests.oracles.fusion import plain_view

EYE = "sha256:0123456789ab"
PROFILE = SourceProfile(
    5, (4.0, 10.0, 50.0), (1.0, 4.0, 30.0), (3.0, 9.0, 45.0), 40.0, 12.5, 64.0, 51.3, EYE
)


def measured(seed, n, k=6):
    torch.manual_seed(seed)
    view = plain_view(
        torch.rand(n, k, 2) * 20,
        there=torch.rand(n, k) > 0.3,
        belief=torch.rand(n, k, 2) * 20,
        keep=torch.rand(n, k),
        kernel=torch.rand(n, k) * 10 + 1,
    )
    return view, torch.rand(n, k), torch.rand(n, k, 2) * 20, torch.rand(n, k)


def test_a_whole_file_is_the_sum_of_its_parts():
    view, *parts = measured(0, 23)
    whole = measure_source(view, *parts, EYE)
    cuts = [slice(0, 1), slice(1, 7), slice(7, 7), slice(7, 23)]
    total = reduce(add, [measure_source(view[c], *(p[c] for p in parts), EYE) for c in cuts])
    for name, value in asdict(whole).items():
        wanted = pytest.approx(value, rel=1e-5) if name != "eye" else EYE
        assert getattr(total, name) == wanted
    np.testing.assert_allclose(total.numbers(), whole.numbers(), atol=1e-5)


def test_counts_are_what_they_say():
    view, covered, peak, height = measured(1, 9)
    found = measure_source(view, covered, peak, height, EYE)
    bands = np.digitize(height, [0.2, 0.5])
    there, inside = view.there.numpy(), covered.numpy()
    for band in range(3):
        here = there & (bands == band)
        assert found.seen[band] == here.sum()
        assert found.half[band] == (inside[here] < 0.5).sum()
        assert found.most[band] == (inside[here] < 0.9).sum()
    own, belief, top = (t.double().numpy() for t in (view.own, view.belief, peak))
    kernel = view.kernel.double().numpy()
    use = there & (height.numpy() > 0.3) & (np.linalg.norm(top - belief, axis=-1) < 2 * kernel)
    one, two = own - top, own - belief
    cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    assert found.compared == use.sum() > 5
    assert found.cosine == pytest.approx(cosine[use].sum(), rel=1e-4)
    assert (found.poses, found.joints) == (9, there.sum())
    assert found.similarity == pytest.approx(view.keep.numpy()[there].sum(), rel=1e-5)


def test_little_is_known_of_no_joints():
    view, *parts = measured(2, 3)
    nothing = measure_source(replace(view, there=torch.zeros_like(view.there)), *parts, EYE)
    assert nothing.doubt == 1
    np.testing.assert_allclose(nothing.numbers(), np.zeros(8), atol=1e-12)
    assert replace(PROFILE, joints=360.0).doubt == pytest.approx(0.1)
    assert nothing.summary()["half"] == 0


def test_numbers_are_shares_drawn_towards_a_middling_source():
    wanted = []
    for band in range(3):
        for inside, typical in ((PROFILE.half, 2 * band), (PROFILE.most, 2 * band + 1)):
            share = (inside[band] + PSEUDO * TYPICAL[typical]) / (PROFILE.seen[band] + PSEUDO)
            wanted.append(5 * (share - TYPICAL[typical]))
    wanted.append(5 * ((12.5 + 4) / 80 - 0.1))
    wanted.append(5 * ((51.3 + 28) / 104 - 0.7))
    np.testing.assert_allclose(PROFILE.numbers(), wanted, rtol=1e-5)


def test_profiles_by_different_eyes_do_not_add():
    with pytest.raises(FormatError, match="by one eye"):
        PROFILE + replace(PROFILE, eye="sha256:other")


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(0, 1e9))
def test_files_hold_every_digit(shares, count):
    kept = replace(
        PROFILE,
        seen=(count, count, count),
        most=tuple(count * s for s in shares[:3]),
        half=tuple(count * s * t for s, t in zip(shares[:3], shares[3:], strict=True)),
        cosine=-PROFILE.compared * shares[0],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.json"
        save_profile(path, kept)
        assert read_profile(path) == kept


HELD = {"format": FORMAT, **asdict(PROFILE)}
DAMAGES = [
    *({k: v for k, v in HELD.items() if k != name} for name in HELD),
    *(HELD | {name: bad} for name in HELD for bad in (None, [1], [], {}, True)),
    *(HELD | {name: "1"} for name in HELD if name != "eye"),
    *(HELD | {name: -1.0} for name in ("compared", "joints", "similarity")),
    *(HELD | {name: [-1, 0, 0]} for name in ("seen", "half", "most")),
    HELD | {"poses": -1}, HELD | {"poses": 1.5}, HELD | {"joints": 1e999},
    HELD | {"half": [1, 4, 46]}, HELD | {"most": [5, 9, 45]}, HELD | {"similarity": 65.0},
    HELD | {"cosine": -41.0}, HELD | {"format": "refine-profile-9"},
    [], [HELD], 3, None,
]  # fmt: skip


@pytest.mark.parametrize("held", DAMAGES, ids=str)
def test_damaged_files_are_said(tmp_path, held):
    path = tmp_path / "source.json"
    path.write_text(json.dumps(held))
    with pytest.raises(FormatError, match="expected a profile of `refine profile`") as caught:
        read_profile(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("text", ["", "{", "NaN", json.dumps(HELD).replace("12.5", "NaN"), "\x00"])
def test_what_is_no_json_is_said(tmp_path, text):
    path = tmp_path / "source.json"
    path.write_text(text)
    with pytest.raises(FormatError, match="expected"):
        read_profile(path)
