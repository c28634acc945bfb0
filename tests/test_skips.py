"""The list of tests that may be skipped is kept."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("reason", "code"), [("evaluation data absent; set", 0), ("not today", 1)])
def test_a_skip_that_is_not_listed_fails_the_run(reason, code, tmp_path, request):
    (tmp_path / "tests").mkdir()
    folder = request.config.rootpath / "tests"
    for name in ("conftest.py", "skips.toml"):
        (tmp_path / "tests" / name).write_text((folder / name).read_text("utf-8"))
    test = f"import pytest\n\n\ndef test_it():\n    pytest.skip({reason!r})\n"
    (tmp_path / "tests" / "test_it.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("NOT LISTED  tests/test_it.py::test_it: not today" in done.stdout) == (code == 1)
    assert "skipped, by tests/skips.toml" in done.stdout
