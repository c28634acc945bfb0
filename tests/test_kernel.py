"""Kernels, compiled or in Python; where compiled code is kept, and that nothing depends on it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine import _compilation
from refine._kernel import interpreted, kernel
from refine.decoding.heatmap.arrays import decode_heatmaps
from refine.exceptions import RefineWarning
from refine.formats import scan
from refine.formats.spelling.results import spell_results
from refine.sample import make_people, make_predictions
from refine.suppression.arrays import oks_nms

CODE = """
import sys
import warnings
warnings.simplefilter("ignore")
from refine import _compilation
if sys.argv[1] == "read-only":
    writable = _compilation._writable
    _compilation._writable = lambda folder: "refine/kernels" in str(folder) and writable(folder)
from refine.suppression.arrays import oks_nms
import numpy as np
xy = np.zeros((2, 17, 2)) + np.arange(17)[:, None]
print(oks_nms(xy, [.9, .8], [90, 90], [.1] * 17))
"""


def nms(home, where="read-only", **environment):
    """Suppress a duplicate in a fresh interpreter, with a home of its own."""
    mine = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, where],
        env={**mine, "HOME": str(home), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_read_only_package_keeps_code_in_a_private_folder_and_damage_is_repaired(tmp_path):
    right = nms(tmp_path)
    folder = tmp_path / ".cache" / "refine" / "kernels"
    assert folder.stat().st_mode & 0o777 == 0o700
    for pattern, content in (("*.nbi", b""), ("*.nbc", b"rubbish"), ("*.nb?", b"\x80\x04.")):
        kept = list(folder.rglob(pattern))
        assert kept
        for path in kept:
            path.write_bytes(content)
        assert nms(tmp_path) == right
        assert all(path.read_bytes() != content for path in kept)


@pytest.mark.slow
def test_a_folder_that_others_may_write_to_is_not_read(tmp_path):
    folder = tmp_path / ".cache" / "refine" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    nms(tmp_path)
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_without_any_folder_all_works(tmp_path):
    (tmp_path / "file").write_text("no home")
    assert nms(tmp_path / "file") == nms(tmp_path)
    assert nms(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "file" / "x")) == nms(tmp_path)


def test_it_is_said_once(monkeypatch):
    monkeypatch.setattr(_compilation, "_writable", lambda folder: False)
    for once in (_compilation._folder, _compilation._say_once):
        once.cache_clear()
    try:
        first, second = kernel(lambda x: x + 1), kernel(lambda x: x + 2)
        with pytest.warns(RefineWarning, match="NUMBA_CACHE_DIR"):
            assert first(1) == 2
        assert second(1) == 3  # a second warning would be an error
    finally:
        for once in (_compilation._folder, _compilation._say_once):
            once.cache_clear()


def test_options_reach_numba():
    assert kernel(inline="always")(lambda x: x / np.float64(0))(1.0) == np.inf


def test_code_of_another_version_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_compilation._numba, "CACHE_DIR", str(tmp_path))

    def hits():
        one = kernel(nothing_to_it)
        assert one(1) == 2
        return sum(one.compiled.stats.cache_hits.values())

    assert (hits(), hits()) == (0, 1)
    monkeypatch.setattr(_compilation, "__version__", "another")
    assert hits() == 0


def nothing_to_it(x):
    return x + 1


METHODS = [
    ("fit", None, None), ("argmax", None, None), ("quarter", None, None),
    ("quarter", None, "mmpose"), ("dark", 11, None), ("dark", 3, None), ("dark-udp", 11, None),
    ("dark-udp", None, "udp"), ("second", 1, None), ("second", 5, None), ("taylor", 5, None),
]  # fmt: skip


def heatmaps():
    """Peaks inside, on borders and outside, wide, narrow, noisy and faint; empty, flat and NaN."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :36]
    centre, sigma = rng.uniform(-2, 50, (30, 2, 1, 1)), rng.uniform(0.6, 5, (30, 1, 1))
    maps = np.exp(-((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2) / 2 / sigma**2)
    maps *= rng.choice([1e-6, 0.02, 1, 300], (30, 1, 1))
    maps[::3] += rng.normal(0, 0.03, maps[::3].shape)
    odd = np.zeros((6, 48, 36))
    odd[1], odd[2, 3, 4], odd[3], odd[4, 5:8, 5:9], odd[5, 0, 0] = -1, np.nan, np.inf, 1, 1
    return np.concatenate([maps, odd]).astype(np.float32)[:, None]


@pytest.mark.parametrize(("method", "size", "compat"), METHODS)
def test_decoders_find_in_python_what_they_find_compiled(method, size, compat):
    compiled = decode_heatmaps(heatmaps(), method, size, compat=compat)
    with interpreted():
        in_python = decode_heatmaps(heatmaps(), method, size, compat=compat)
    for one, other in zip(compiled, in_python, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


@given(
    n=st.integers(1, 40),
    images=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0, 0.3]),
    threshold=st.sampled_from([0.3, 0.9, 1.0]),
    compat=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_suppression_keeps_in_python_what_it_keeps_compiled(
    n, images, seed, missing, threshold, compat
):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 300, (-(-n // 3), 17, 2))[rng.integers(0, -(-n // 3), n)]
    xy += rng.choice([0, 3], (n, 1, 1)) * rng.normal(size=xy.shape)
    xy[rng.random((n, 17)) < missing] = np.nan
    area = rng.choice([0, 5000], n)
    arguments = xy, rng.random(n), area, np.full(17, 0.08), threshold
    options = {"image": rng.integers(0, images, n), "compat": compat}
    compiled = oks_nms(*arguments, **options)
    with interpreted():
        assert oks_nms(*arguments, **options).tolist() == compiled.tolist()


def test_a_crowd_is_the_same_in_python():
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 900, (130, 1, 2)) + rng.normal(0, 40, (130, 17, 2))
    xy[65:] = xy[:65] + rng.normal(0, 2, (65, 17, 2))
    arguments = xy, rng.random(130), np.full(130, 9000.0), np.full(17, 0.08)
    compiled = oks_nms(*arguments)
    assert 65 <= len(compiled) < 130
    with interpreted():
        assert oks_nms(*arguments).tolist() == compiled.tolist()


def test_numbers_are_read_and_written_in_python_as_they_are_compiled(monkeypatch):
    monkeypatch.setattr(scan, "LARGE", 0)
    fields, rows = {"a": 0, "b": 3}, []
    for a in (0, -7, 12345678, 2**31, 0.25, -1e-3, 123456.789, 5e-324, 1.7e308):
        rows.append({"a": a, "c": {"d": [None, "text", True]}, "b": [a, -a, a / 3]})
    rng = np.random.default_rng(0)
    poses = make_predictions(make_people(2, rng)[0], rng)

    def found():
        read = scan.scan_rows(json.dumps(rows).encode(), 0, fields)
        packed = scan.scan_objects(rows, fields)
        values = [of.values[name].tolist() for of in (read, packed) for name in fields]
        return values, read.others, b"".join(spell_results(poses, None))

    compiled = found()
    assert compiled[0][:2] == [[row[name] for row in rows] for name in fields]
    assert compiled[1] == len(rows)
    with interpreted():
        assert found() == compiled


def test_in_python_nothing_is_warned_of_and_afterwards_kernels_are_compiled_again():
    half = kernel(lambda x: x / np.float64(0))
    with interpreted():
        assert half(np.float64(1)) == np.inf
    assert "compiled" not in vars(half)
    with interpreted(False):
        assert half(1.0) == np.inf
    assert "compiled" in vars(half)
