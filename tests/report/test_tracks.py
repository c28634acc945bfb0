"""The section on tracks: its figures, that it is bounded, and what it says where it cannot be."""

import numpy as np
import pytest

import refine
from refine.report import tracks
from refine.sample import make_video
from tests.drawing.test_video import walking

HEAD = ["frames", "missing", "acceleration", "left for right"]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Folder with a video as it was seen, tracked, and made calm."""
    folder, rng = tmp_path_factory.mktemp("video"), np.random.default_rng(0)
    truth, _ = make_video(2, 50, rng)
    xy = truth.xy + rng.normal(0, 3, truth.xy.shape)
    turned = (truth.track == 0) & (truth.image >= 20) & (truth.image < 25)
    xy[turned] = xy[turned][:, truth.skeleton.mirror]
    xy[rng.random(xy.shape[:2]) < 0.04] = np.nan
    seen = truth.replace(xy=xy, score=np.where(np.isnan(xy[..., 0]), 0, 0.9), score_kind="peak")
    before = seen[(truth.image != 30) | (truth.track == 1)]
    refine.write(before, folder / "before.ndjson")
    calm = refine.run(before, steps=["unswap", "gaps", "smooth"])
    refine.write(calm, folder / "after.ndjson")
    return folder


def section(page):
    return page.html.split('<section id="tracks"')[1].split("</section>")[0]


def test_tracks_before_and_after(write, video):
    page = write(video / "before.ndjson", video / "after.ndjson", "--cases", 0)
    head = ["track", "from", "to", *(f"{name} before" for name in HEAD), *HEAD]
    assert head in page.rows
    rows = [
        dict(zip(head, row, strict=True)) for row in page.rows if row[1:3] == ["0.00 s", "1.96 s"]
    ]
    assert [row["track"] for row in rows] == ["0", "1"]
    assert [row["frames before"] for row in rows] == ["49", "50"]
    assert [row["frames"] for row in rows] == ["50", "50"]
    assert int(rows[0]["left for right before"]) > 20
    assert int(rows[0]["left for right"]) == int(rows[1]["left for right before"]) == 0
    for row in rows:
        assert float(row["acceleration"]) < 0.3 * float(row["acceleration before"])
        assert int(row["missing before"]) > 20 > int(row["missing"])
    assert section(page).count("<svg") == 2
    assert "track 1, 50 frames, 1.96 s" in page.text
    assert "#D55E00" not in section(page)


def test_one_file(write, video):
    page = write(video / "after.ndjson", "--cases", 0)
    assert ["track", "from", "to", *HEAD] in page.rows
    assert section(page).count("<svg") == 2


def test_many_tracks_are_bounded(tmp_path, write, monkeypatch):
    monkeypatch.setattr(tracks, "MOST", 3)
    monkeypatch.setattr(tracks, "DRAWN", 2)
    refine.write(walking(8, tracks=(0, 1, 2, 3, 4)), tmp_path / "a.ndjson")
    page = write(tmp_path / "a.ndjson", "--fps", 25, "--cases", 0)
    assert "2 shorter ones are not shown" in page.text
    assert section(page).count("<svg") == 2
    assert sum(row[1:3] == ["0.00 s", "0.28 s"] for row in page.rows) == 3


def test_where_there_is_none_it_says_why(tmp_path, write):
    poses = walking(8)
    refine.write(poses, tmp_path / "a.ndjson")
    page = write(tmp_path / "a.ndjson", "--cases", 0)
    assert "nothing on tracks: expected frames per second" in page.text
    refine.write(poses.replace(track=None), tmp_path / "a.ndjson")
    assert 'id="tracks"' not in write(tmp_path / "a.ndjson", "--cases", 0).html
    named = tuple(refine.ImageRef(f"{v}/{i}.png") for v in "ab" for i in range(4))
    refine.write(poses.replace(images=named), tmp_path / "a.ndjson")
    page = write(tmp_path / "a.ndjson", "--fps", 25, "--cases", 0)
    assert "expected images of one video, got 2" in page.text
