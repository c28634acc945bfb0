"""From one format into another: what is demanded is there, nothing leaks, nothing collides."""

import itertools
import json
import re

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.files import dump_json
from refine.formats import FORMATS, read, write
from refine.formats.openpose import BODY

IN_PIXELS = [name for name, form in FORMATS.items() if not form.shares]
OPENPOSE = ["openpose", "controlnet", "alphapose-cmu", "alphapose-open"]


@pytest.fixture
def person(values):
    """An OpenPose file of one person, named as OpenPose names the frames of a video."""

    def make(**fields):
        return {"version": 1.3, "people": [{"person_id": [-1], BODY: values(18), **fields}]}

    return make


@pytest.mark.parametrize("name", OPENPOSE)
def test_the_openpose_family_has_joints_of_its_own(file, row, cli, tmp_path, name):
    images = file({"images": [{"id": 1, "width": 640, "height": 480}]}, "sizes.json")
    source = file([row()])
    common = ("convert", source, "--to", name, "--images", images, "-o", tmp_path / "out.json")
    result = cli(*common)
    assert (result.code, "try --to-skeleton openpose18" in result.err) == (3, True)
    with pytest.raises(SkeletonError, match="openpose18 or openpose25 or openpose25b"):
        write(read(source), tmp_path / "out", name)
    for body in ("openpose18", "openpose25"):
        assert cli(*common, "--to-skeleton", body).code == 0
        assert read(tmp_path / "out.json", name, skeleton=body).skeleton.name == body
    write(read(source, images=images)[:0], tmp_path / "none", name)


def test_rows_and_annotations_have_what_they_need(cli, file, person, tmp_path):
    file(person(), "in/v_000000000001_keypoints.json")
    common = ("convert", tmp_path / "in", "--to-skeleton", "coco17", "--json", "-o")
    result = cli(*common, tmp_path / "rows.json", "--to", "coco")
    assert "score of 1 poses without one" in json.loads(result.out)["notes"][0]
    assert "score of 1 poses without one" in result.err
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    scores = np.array(row["keypoints"][2::3])
    assert row["score"] == pytest.approx(scores.mean(), abs=1e-6)
    assert not {"person_id", "version"} & row.keys()

    result = cli(*common, tmp_path / "gt.json", "--to", "coco-gt")
    notes = " ".join(json.loads(result.out)["notes"])
    for each in ("bbox of 1 poses", "area, 0.53 of", "score above 0.3"):
        assert each in notes
    truth = json.loads((tmp_path / "gt.json").read_text())
    (one,) = truth["annotations"]
    points = np.array(one["keypoints"]).reshape(-1, 3)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    assert one["bbox"] == pytest.approx([*low, *(high - low)])
    assert one["area"] == pytest.approx(0.53 * np.prod(high - low), abs=1e-3)
    assert points[:, 2].tolist() == np.where(scores > 0.3, 2, 1).tolist()
    assert truth["images"] == [{"id": "v_000000000001", "file_name": "v_000000000001"}]
    assert not {"person_id", "version"} & one.keys()

    options = ("--to", "coco-gt", "--visible-above", 0.6)
    assert cli(*common, tmp_path / "gt.json", *options).code == 0
    (one,) = json.loads((tmp_path / "gt.json").read_text())["annotations"]
    assert one["keypoints"][2::3] == np.where(scores > 0.6, 2, 1).tolist()
    assert cli(*common, tmp_path / "x.json", "--to", "coco", "--visible-above", 0.6).code == 2


def test_scores_of_poses_that_have_none(file, tmp_path):
    body = refine.skeleton("coco17")
    xy = np.arange(34.0).reshape(1, 17, 2).repeat(2, 0) + 3
    xy[1] = np.nan
    poses = refine.Poses.from_arrays(body, xy)
    flags = poses.replace(score=np.full((2, 17), 2.0), score_kind="flag")
    for each in (poses, flags):
        write(each, tmp_path / "a.json", "coco")
        assert [r["score"] for r in json.loads((tmp_path / "a.json").read_text())] == [1, 0]


@pytest.mark.parametrize("first", OPENPOSE)
@pytest.mark.parametrize("second", ["coco", "coco-gt", "alphapose", "mmpose", "ndjson", *OPENPOSE])
def test_marks_of_a_format_stay_behind(file, values, first, second, tmp_path):
    size = {"canvas_width": 640, "canvas_height": 480} if "controlnet" in (first, second) else {}
    people = [{"person_id": [-1], BODY: values(18)}]
    content = {"version": 1.3, "people": people, **size}
    if first.startswith("alphapose"):
        group = [{"joints": values(18)}] if first.endswith("cmu") else people
        field = "bodies" if first.endswith("cmu") else "people"
        content = {"7": {"version": "AlphaPose v0.3", field: group}}
    sizes = file({"images": [{"id": 7, "width": 640, "height": 480}]}, "sizes.json")
    source = file(content, "7.json")
    poses = read(source, first, images=sizes).replace(
        images=(refine.ImageRef(7, "7.jpg", 640, 480),)
    )
    write(poses, tmp_path / "out.json", second)
    text = (tmp_path / "out.json").read_text()
    for mark in {"version", "person_id", "bodies", "canvas_width"} - FORMATS[second].fields:
        assert mark not in text, mark


def test_unknown_fields_do_not_collide(cli, file, person, values, tmp_path):
    file(person(score=0.123, bbox=[1, 2], category_id=9, mine=4), "in/a_keypoints.json")
    for form in ("coco", "coco-gt"):
        result = cli(
            "convert", tmp_path / "in", "-o", tmp_path / "o.json", "--to", form,
            "--to-skeleton", "coco17",
        )  # fmt: skip
        found = json.loads((tmp_path / "o.json").read_text())
        row = found[0] if form == "coco" else found["annotations"][0]
        assert (row["openpose_score"], row["openpose_bbox"], row["mine"]) == (0.123, [1, 2], 4)
        assert (row.get("score"), row["category_id"]) != (0.123, 9)
        assert "'score' is now 'openpose_score'" in result.err
    line = {"image_id": 7, "id": 9, "skeleton": "coco17", "poses": [{"keypoints": values()}]}
    write(read(file(line)), tmp_path / "gt.json", "coco-gt")
    (image,) = json.loads((tmp_path / "gt.json").read_text())["images"]
    assert (image["id"], image["ndjson_id"]) == (7, 9)
    assert len(read(tmp_path / "gt.json")) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [of for of in itertools.product(FORMATS, IN_PIXELS) if {"coco", "ndjson", of[0]} & {of[1]}],
)
def test_numbers_of_32_bits_are_written_short(first, second, tmp_path):
    body = FORMATS[first].example().skeleton
    if FORMATS[second].skeletons and FORMATS[second].skeletons != FORMATS[first].skeletons:
        body = refine.skeleton(FORMATS[second].skeletons[0])
    xy = (np.arange(2.0 * len(body)).reshape(1, -1, 2) + 10.1).astype(np.float32)
    images = [refine.ImageRef(1, "1.jpg", 640, 480, frame=1)]
    score = np.full((1, len(body)), 0.1, np.float32)
    poses = refine.Poses.from_arrays(body, xy, score, images=images).replace(meta={"format": first})
    write(poses, tmp_path / "a.json", second)
    own = first == second
    text = (tmp_path / "a.json").read_text()
    first_px = 11 if second == "mpii" else 10  # Which counts pixels from 1.
    assert (f"{first_px}.10000038" in text) == own
    assert own or re.search(rf"\b{first_px}\.1[,\]]", text.replace('"', ""))


@pytest.mark.parametrize("precision", [-1, 13, 400, 1.5])
def test_precision_has_bounds(file, row, cli, tmp_path, precision):
    with pytest.raises(ArrayError, match="precision of 0 to 12 decimals"):
        write(read(file([row()])), tmp_path / "a.json", precision=precision)
    options = ("-o", tmp_path / "a.json", "--precision", precision)
    for verb in ("convert", "run"):
        assert cli(verb, tmp_path / "pred.json", *options).code == 2
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("precision", [0, 12])
def test_no_precision_makes_null(file, row, tmp_path, precision):
    poses = read(file([row(keypoints=[999999.123456, -999999.1, 0.5] * 17)]))
    write(poses, tmp_path / "a.json", precision=precision)
    again = read(tmp_path / "a.json")
    np.testing.assert_allclose(again.xy, poses.xy, atol=0.5)


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.XML", "a.npz", "a.xyz"])
def test_names_that_mean_other_files_are_refused(cli, file, row, tmp_path, name):
    result = cli("convert", file([row()]), "-o", tmp_path / name)
    assert result.code == 3
    for each in (".json", ".ndjson", ".jsonl", ".gz", "/ for a folder", "refine formats"):
        assert each in result.err
    assert [f.name for f in tmp_path.iterdir()] == ["pred.json"]
    if name != "a.xyz":
        with pytest.raises(FormatError, match="expected a name that ends in"):
            write(read(tmp_path / "pred.json").to("openpose18"), tmp_path / name, "openpose")


def test_names_of_folders_may_have_a_dot(file, person, tmp_path):
    write(read(file(person(), "in/a.json").parent), tmp_path / "v1.2")
    assert (tmp_path / "v1.2").is_dir()
    write(read(tmp_path / "in"), tmp_path / "bare", "ndjson")
    assert read(tmp_path / "bare").meta["format"] == "ndjson"


@pytest.mark.parametrize("field", [float("inf"), [1, {"a": [-float("inf")]}]])
@pytest.mark.parametrize("name", ["coco", "ndjson"])
def test_infinity_is_not_lost_in_silence(cli, file, row, values, tmp_path, field, name):
    line = {"image_id": 1, "skeleton": "coco17", "mine": field, "poses": [{"keypoints": values()}]}
    source = file([row(mine=field)] if name == "coco" else line)
    result = cli("convert", source, "-o", tmp_path / "out.json")
    assert (result.code, "got Infinity in an unknown field" in result.err) == (3, True)
    assert not (tmp_path / "out.json").exists()


def test_a_format_of_its_own_joints_keeps_them(cli, tmp_path):
    """Also where the target has the format of the source."""
    form = FORMATS["mpii"]
    write(form.example().to("mpii16"), tmp_path / "in.json", "mpii")
    done = cli(
        "convert", tmp_path / "in.json", "-o", tmp_path / "out.json", "--to-skeleton", "aic14"
    )
    assert done.code == 3
    assert "expected the joints of mpii16 for mpii" in done.err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("name", ["coco-gt", "posetrack"])
def test_half_a_place_is_no_label(file, tmp_path, name):
    line = json.loads(dump_json(FORMATS["ndjson"].sample()))
    line["poses"][0]["keypoints"][0] = None
    write(read(file(line, "a.ndjson")), tmp_path / "gt.json", name)
    again = read(tmp_path / "gt.json")
    assert not again.present[0, 0]


@pytest.mark.parametrize("images", [(), (refine.ImageRef(7, "7.jpg", 640, 480, 7),)])
@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_nobody_comes_back(tmp_path, form, images):
    """Lists of nobody, or of no frames, have lost the axes behind them."""
    body = form.skeletons[0] if form.skeletons else "coco17"
    if form.holdings[0] == "folder" and not images:
        return  # A folder of no images is empty.
    pixels = False if form.shares else None
    write(refine.Poses.empty(body, images), tmp_path / "none.json", form.name)
    again = read(tmp_path / "none.json", form.name, skeleton=body, normalised=pixels)
    assert len(again) == 0


@pytest.mark.parametrize(("name", "form"), [("a.csv.gz", "csv"), ("a.parquet.gz", "parquet")])
def test_tables_may_be_gzipped(file, row, tmp_path, name, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    write(read(file([row()])), tmp_path / name)
    assert (tmp_path / name).read_bytes()[:2] == b"\x1f\x8b"
    again = read(tmp_path / name)
    assert (again.meta["format"], len(again)) == (form, 1)
