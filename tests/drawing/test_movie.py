"""Files that play: what is in them is what was drawn, and what is read again."""

import sys

import numpy as np
import pytest
from PIL import Image

from refine.drawing.footage import first_number, look_into, pictures_of
from refine.drawing.movie import GIF_MOST, write_movie
from refine.exceptions import ArrayError, FormatError

av = pytest.importorskip("av")


def greys(count, size=(64, 48)):
    return [Image.new("RGB", size, (8 * i + 20,) * 3) for i in range(count)]


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "a.mp4"
    write_movie(path, greys(20), 30000 / 1001)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.duration * stream.time_base) == pytest.approx(20 * 1001 / 30000)
    film = look_into(path)
    assert (film.size, film.frames) == ((64, 48), 20)
    assert film.fps == pytest.approx(29.97, abs=1e-3)
    found = list(pictures_of(film, iter([0, 3, 3, 19, 20, 40])))
    levels = [None if p is None else round(float(np.asarray(p).mean())) for p in found]
    assert levels[4:] == [None, None]
    assert levels[:4] == pytest.approx([20, 44, 44, 172], abs=3)


def test_numbers_start_at_0_or_at_1(tmp_path):
    write_movie(tmp_path / "a.mp4", greys(5), 10)
    film = look_into(tmp_path / "a.mp4")
    assert first_number(film, np.arange(5)) == 0
    assert first_number(film, np.arange(1, 6)) == 1
    assert first_number(film, np.arange(2, 5)) == 0


def test_a_gif(tmp_path):
    write_movie(tmp_path / "a.gif", greys(9), 30)
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size) == (9, (64, 48))
        times = []
        for i in range(9):
            image.seek(i)
            times.append(image.info["duration"])
    assert sum(times) == 300
    assert set(times) == {30, 40}
    with pytest.raises(FormatError, match="at most 50 frames per second"):
        write_movie(tmp_path / "b.gif", greys(2), 60)
    with pytest.raises(FormatError, match=f"at most {GIF_MOST} frames"):
        write_movie(tmp_path / "b.gif", greys(1) * (GIF_MOST + 1), 25)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path):
    def broken():
        yield from greys(5)
        raise ArrayError("enough")

    (tmp_path / "a.mp4").write_text("mine")
    with pytest.raises(ArrayError, match="enough"):
        write_movie(tmp_path / "a.mp4", broken(), 25)
    assert (tmp_path / "a.mp4").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FormatError, match="writable"):
        write_movie(tmp_path / "none/a.mp4", greys(1), 25)
    with pytest.raises(FormatError, match=r"ends in \.mp4"):
        write_movie(tmp_path / "a.avi", greys(1), 25)
    with pytest.raises(ArrayError, match="at least 1 frame"):
        write_movie(tmp_path / "b.mp4", greys(1), 1e-9)


def test_files_that_are_no_video(tmp_path):
    write_movie(tmp_path / "a.mp4", greys(20), 25)
    whole = (tmp_path / "a.mp4").read_bytes()
    for name, data in {
        "empty": b"", "rubbish": bytes(range(256)) * 9, "half": whole[: len(whole) // 2],
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FormatError, match="expected a video"):
            look_into(tmp_path / name)
    with pytest.raises(FormatError, match="no regular file"):
        look_into(tmp_path)


def test_a_video_that_is_damaged_within(tmp_path):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)) for _ in range(60)]
    write_movie(tmp_path / "a.mp4", noise, 25)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = len(data) // 3
    data[middle : middle + 20_000] = bytes(20_000)
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(FormatError, match="expected a video, got"):
        list(pictures_of(look_into(tmp_path / "a.mp4"), iter(range(60))))


def test_a_video_that_is_stored_lying(tmp_path):
    """A telephone's: the stream says by how much it is turned."""
    path = tmp_path / "a.mp4"
    write_movie(path, [Image.new("RGB", (64, 48), "#FF0000")], 25)
    data = path.read_bytes()
    upright = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    turned = b"".join(
        (n % (1 << 32)).to_bytes(4, "big") for n in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    )
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + len(upright) :])
    assert look_into(path).size == (48, 64)


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FormatError, match=r"refine-pose\[video\]"):
        write_movie(tmp_path / "a.mp4", greys(1), 25)
    with pytest.raises(FormatError, match=r"refine-pose\[video\]"):
        look_into(tmp_path / "a.mp4")
    write_movie(tmp_path / "a.gif", greys(1), 25)
