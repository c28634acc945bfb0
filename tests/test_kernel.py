"""Where compiled code is kept, and that nothing depends on it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from refine import _kernel
from refine.exceptions import RefineWarning

CODE = """
import sys
import warnings
warnings.simplefilter("ignore")
from refine import _kernel
if sys.argv[1] == "read-only":
    writable = _kernel._writable
    _kernel._writable = lambda folder: "refine/kernels" in str(folder) and writable(folder)
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
    monkeypatch.setattr(_kernel, "_writable", lambda folder: False)
    for once in (_kernel._folder, _kernel._say_once):
        once.cache_clear()
    try:
        with pytest.warns(RefineWarning, match="NUMBA_CACHE_DIR"):
            first = _kernel.kernel(lambda x: x + 1)
        second = _kernel.kernel(lambda x: x + 2)  # a second warning would be an error
        assert first(1) + second(1) == 5
    finally:
        for once in (_kernel._folder, _kernel._say_once):
            once.cache_clear()


def test_options_reach_numba():
    assert _kernel.kernel(inline="always")(lambda x: x / np.float64(0))(1.0) == np.inf
