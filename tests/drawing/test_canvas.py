"""What shapes become as pixels and as SVG."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from refine.drawing.canvas import Canvas, fitting, text_width
from refine.drawing.raster import paint, png
from refine.drawing.svg import svg

NS = "{http://www.w3.org/2000/svg}"


def dark(image):
    return (255.0 - np.asarray(image.convert("L"), float)) / 255


def everything():
    part = Canvas(20, 10, "#00FF00")
    canvas = Canvas(60, 40)
    canvas.place(Image.new("RGB", (7, 5), "#0000FF"), 0, 0, 10, 10)
    canvas.line((20, 5), (50, 5), "#000000", 2)
    canvas.dot((30, 20), 4, "#FF0000", 0.5)
    canvas.oval((45, 20), (8, 3), 0.5, "#FF0000", 1)
    canvas.polygon([(2, 15), (12, 15), (7, 25)], "#000000")
    canvas.box(15, 30, 10, 5, "#000000")
    canvas.text((1, 39), "<&>\n", 8, "ls")
    canvas.put(part, 38, 28)
    return canvas


def test_shapes_cover_what_they_should():
    canvas = Canvas(100, 100)
    canvas.dot((50.5, 40.25), 20, "#000000")
    cover = dark(paint(canvas))
    assert cover.sum() == pytest.approx(np.pi * 400, rel=0.01)
    y, x = np.mgrid[:100, :100] + 0.5
    assert (cover * x).sum() / cover.sum() == pytest.approx(50.5, abs=0.2)
    assert (cover * y).sum() / cover.sum() == pytest.approx(40.25, abs=0.2)

    canvas = Canvas(100, 100)
    canvas.oval((50, 50), (30, 10), np.pi / 6, "#000000", 1)
    cover = dark(paint(canvas))
    assert cover.sum() == pytest.approx(np.pi * 300, rel=0.03)
    assert cover[int(50 + 25 * 0.5), int(50 + 25 * 0.866)] == 1
    assert cover[int(50 - 25 * 0.5), int(50 + 25 * 0.866)] == 0

    canvas = Canvas(100, 100)
    canvas.box(10.5, 20, 30, 0.75, "#000000")
    assert dark(paint(canvas)).sum() == pytest.approx(30 * 0.75, rel=0.15)
    canvas = Canvas(100, 100)
    canvas.polygon([(10, 10), (90, 10), (10, 90)], "#000000")
    assert dark(paint(canvas)).sum() == pytest.approx(3200, rel=0.03)


def test_what_lies_beside_shapes_stays_to_the_bit():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    canvas = Canvas(60, 40)
    canvas.place(noise, 0, 0, 60, 40)
    canvas.dot((10, 10), 3, "#000000")
    canvas.dot((50, 30), 3, "#000000")
    differs = (np.asarray(paint(canvas)) != np.asarray(noise)).any(-1)
    assert 0 < differs[:20, :20].sum() <= 49
    assert not differs[5:35, 15:45].any()


def test_shapes_blend_and_do_not_depend_on_their_neighbours():
    alone, beside = Canvas(80, 80), Canvas(80, 80)
    beside.dot((3.2, 3.7), 2, "#000000")
    for canvas in (alone, beside):
        canvas.dot((40.5, 41.3), 7, "#FF0000", 0.5)
    one, other = (np.asarray(paint(canvas), int) for canvas in (alone, beside))
    np.testing.assert_array_equal(one[20:], other[20:])
    assert one[41, 40].tolist() == pytest.approx([255, 127, 127], abs=1)


def test_bands_meet_without_a_seam():
    tall, short = Canvas(60, 1600), Canvas(60, 400)
    for canvas, y in ((tall, 300), (short, 0)):
        canvas.line((7.3, y + 100.4), (50.1, y + 300.2), "#D55E00", 5.5, 0.6)
        canvas.dot((30.2, y + 212.7), 17.4, "#0072B2", 0.5)
        canvas.oval((20.2, y + 212.7), (17.4, 3), 0.3, "#0072B2", 0.5)
    np.testing.assert_array_equal(np.asarray(paint(tall))[300:700], np.asarray(paint(short)))


@pytest.mark.parametrize("at", [(-500, -500), (1e6, 5), (5, 1e6)])
def test_shapes_beyond_the_edge(at):
    canvas = Canvas(30, 20)
    canvas.dot(at, 4, "#000000")
    canvas.line(at, (15, 10), "#000000", 1)
    canvas.polygon([at, (3, 3), (4, 9)], "#000000")
    assert paint(canvas).size == (30, 20)
    assert paint(Canvas(1, 1), 0.1).size == (1, 1)


def test_a_factor_and_charts():
    assert paint(everything(), 2.5).size == (150, 100)
    assert Image.open(io.BytesIO(png(everything()))).size == (120, 80)
    part = np.asarray(paint(everything()))[28:38, 38:58]
    assert (part == (0, 255, 0)).all()


def test_svg_holds_the_same_in_one_file():
    root = ET.fromstring(svg(everything(), 'a "title" <b>'))
    assert root.find(f"{NS}title").text == 'a "title" <b>'
    tags = [each.tag.removeprefix(NS) for each in root]
    assert tags == [
        "title", "rect", "image", "line", "ellipse", "ellipse", "polygon", "rect", "text", "svg",
    ]  # fmt: skip
    assert root.find(f"{NS}image").get("href").startswith("data:image/jpeg;base64,/9j/")
    assert root.find(f"{NS}text").text == "<&>?"
    assert root.find(f"{NS}ellipse").get("fill-opacity") == "0.50"
    assert root.find(f"{NS}svg").get("x") == "38"


def test_text_that_cannot_be_shown():
    canvas = Canvas(200, 50)
    for text in ("a\0b\x1b", "\udcff", "", "日本.jpg", "two\nlines"):
        canvas.text((5, 20), text, 12, "ls")
    assert [text.text for text in canvas.texts] == ["a?b?", "?", "", "日本.jpg", "two?lines"]
    paint(canvas)
    ET.fromstring(svg(canvas, "\udcff \0"))


def test_text_is_cut_to_what_fits():
    assert fitting("short", 12, 100) == "short"
    cut = fitting("a name that goes on for long.jpg", 12, 100)
    assert cut.endswith("...")
    assert 60 < text_width(cut, 12) <= 100
    assert fitting("none", 12, 1) == "..."
