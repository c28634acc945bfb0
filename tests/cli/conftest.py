import json

import pytest

from tests.oracles.records import store


@pytest.fixture
def run(cli, tmp_path):
    """Run `refine run` on a value: the result and what was written, or None."""

    def go(value, *options, name="pred.json"):
        out = tmp_path / "out.json"
        result = cli("run", store(tmp_path, value, name), "-o", out, *options)
        return result, json.loads(out.read_text()) if out.exists() else None

    return go
