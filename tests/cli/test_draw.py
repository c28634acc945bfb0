"""`refine draw`: sheets and files, orders, choices, what is said and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.oracles.records import STANDING, ground_truth, row


@pytest.fixture
def files(tmp_path):
    """Two files of predictions on four images, their truth, and pictures of two of them."""
    before = [row(i, 10.0 * i, missing=(9,)) for i in range(4)]
    after = [row(i, 10.0 * i + 8 * (i == 2), missing=()) for i in range(4)]
    truth = ground_truth(STANDING + np.arange(4)[:, None, None] * [10.0, 0], 350)
    for image in truth["images"]:
        image |= {"file_name": f"cam/{image['id']}.png", "width": 320, "height": 340}
    for name, value in (("before", before), ("after", after), ("gt", truth)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "pictures").mkdir()
    for i in (0, 2):
        Image.new("RGB", (320, 340), "#FF00FF").save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path


def run(cli, files, *options, out="out"):
    """Run it on both files: the result and what it wrote."""
    return cli("draw", files / "before.json", files / "after.json", "-o", files / out, *options)


def purple(path):
    with Image.open(path) as image:
        return (np.abs(np.asarray(image.convert("RGB"), int) - (255, 0, 255)).max(-1) < 40).mean()


def test_a_sheet_of_what_changed_most(cli, files):
    result = run(cli, files, "--images", files / "pictures", "--json", out="sheet.png")
    assert result.code == 0
    facts = json.loads(result.out)
    assert [case["image"] for case in facts["cases"]][:1] == [2]
    assert facts["drawn"] == facts["of"] == 4
    assert facts["order"] == "change"
    assert purple(files / "sheet.png") > 0.2
    assert "2 of 4 images have a picture" in result.err


def test_a_folder_has_a_file_per_image(cli, files):
    options = ("--gt", files / "gt.json", "--images", files / "pictures")
    result = run(cli, files, *options, out="new/out")
    assert result.code == 0
    assert sorted(p.name for p in (files / "new/out").iterdir()) == [f"{i}.jpg" for i in range(4)]
    assert purple(files / "new/out/0.jpg") > 0.5
    assert purple(files / "new/out/1.jpg") == 0
    with Image.open(files / "new/out/1.jpg") as image:
        assert image.size == (320, 340)


@pytest.mark.parametrize(
    ("sort", "first"), [("file", 0), ("change", 2), ("loss", 2), ("worst", 2), ("gain", 0)]
)
def test_orders(cli, files, sort, first):
    options = ("--gt", files / "gt.json", "--sort", sort, "--top", 1, "--json")
    facts = json.loads(run(cli, files, *options, out="s.svg").out)
    assert [case["image"] for case in facts["cases"]] == [first]
    assert facts["of"] == 4
    assert (files / "s.svg").read_text().count("<svg") == 1 + 3 + 1


def test_persons_some_images_and_sizes(cli, files):
    (files / "ids.json").write_text("[3, 1]")
    options = ("--image-ids", files / "ids.json", "--persons", "--size", 100, "--encoding", "png")
    assert run(cli, files, *options).code == 0
    assert sorted(p.name for p in (files / "out").iterdir()) == ["1.png", "3.png"]
    with Image.open(files / "out/3.png") as image:
        assert image.size == (100, 75)
    assert run(cli, files, "--score-threshold", 0.81).code == 3
    options = ("--whole", "--size", 120, "--top", 1, "--gt", files / "gt.json")
    whole = run(cli, files, *options, out="whole.png")
    assert whole.code == 0
    with Image.open(files / "whole.png") as image:
        assert image.width == 12 + 3 * (113 + 12)


def test_people_whom_nobody_found_are_drawn_if_asked_for(cli, files):
    (files / "before.json").write_text(json.dumps([row(0)]))
    (files / "ids.json").write_text("[0, 3]")
    command = ("draw", files / "before.json", "--gt", files / "gt.json", "-o", files / "out")
    assert cli(*command).code == 0
    assert [p.name for p in (files / "out").iterdir()] == ["0.jpg"]
    facts = json.loads(cli(*command, "--image-ids", files / "ids.json", "--json").out)
    assert [(case["image"], round(case["oks"][0], 3)) for case in facts["cases"]] == [
        (3, 0.0),
        (0, pytest.approx(15 / 17, abs=1e-3)),
    ]


def test_images_of_two_names_and_unknown_ones(cli, files):
    rows = [row(f"cam/{i}.png", 10.0 * i) for i in (0, 1, 9)]
    (files / "before.json").write_text(json.dumps(rows))
    (files / "ids.json").write_text("[1, 3]")
    command = ("draw", files / "before.json", "--gt", files / "gt.json", "-o", files / "out")
    assert cli(*command).code == 3
    facts = json.loads(cli(*command, "--keep-going", "--json").out)
    assert facts["of"] == 2
    facts = json.loads(cli(*command, "--image-ids", files / "ids.json", "--json").out)
    assert [case["image"] for case in facts["cases"]] == [3, "cam/1.png"]


def test_pictures_that_do_not_serve_are_named(cli, files):
    (files / "pictures/0.png").write_bytes(b"\x89PNG")
    Image.new("RGB", (32, 34)).save(files / "pictures/2.png")
    options = ("--gt", files / "gt.json", "--images", files / "pictures", "--json")
    result = run(cli, files, *options)
    assert result.code == 4
    facts = json.loads(result.out)
    assert (facts["pictures_unread"], facts["pictures_unfit"]) == (1, 1)
    assert "0.png (" in result.err
    assert "2.png (32 x 34 px, told 320 x 340)" in result.err
    assert len(list((files / "out").iterdir())) == 4


def test_a_picture_that_breaks_off_half_way(cli, files):
    noise = np.random.default_rng(0).integers(0, 256, (340, 320, 3), np.uint8)
    path = files / "pictures/0.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:50_000])
    result = run(cli, files, "--images", files / "pictures", "--json")
    assert result.code == 4
    assert json.loads(result.out)["pictures_unread"] == 1


def test_standard_output(cli, files):
    result = cli("draw", files / "before.json", "-o", "-", "--encoding", "svg", "--json")
    assert result.code == 0
    assert result.out.startswith("<svg")
    assert json.loads(result.err.splitlines()[-1])["drawn"] == 4


def test_what_is_refused(cli, files):
    def refused(*options, code=3, **where):
        result = run(cli, files, *options, **where)
        assert result.code == code
        return result.err

    assert "ends in .png" in refused(out="out.gif")
    assert "try --video OUT.mp4" in refused(out="out.mp4")
    assert "ends in .png" in refused(out="before.json")
    assert "expected ground truth" in refused("--sort", "worst").replace("two stages and ", "")
    assert "ground truth" in refused("--sort", "gain")
    (files / "empty").mkdir()
    assert "expected pictures of 4 images" in refused("--images", files / "empty")
    assert "expected a folder of pictures" in refused("--images", files / "nothing")
    (files / "ids.json").write_text("[77]")
    assert "got 77" in refused("--image-ids", files / "ids.json")
    assert "got 77" in refused("--image-ids", files / "ids.json", "--gt", files / "gt.json")
    (files / "ids.json").write_text("[]")
    assert "got none" in refused("--image-ids", files / "ids.json")
    (files / "file").write_text("mine")
    assert "a folder, or a file" in refused(out="file")
    assert (files / "file").read_text() == "mine"
    assert refused("--top", 0, code=2)
    twice = cli("draw", files / "after.json", files / "after.json", files / "after.json", "-o", "-")
    assert twice.code == 2
