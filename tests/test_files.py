"""What files lets through, keeps and refuses."""

import gzip
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from refine.exceptions import FormatError
from refine.files import (
    UNPACKED_LEAST,
    matching_files,
    read_bytes,
    write_bytes,
    write_folder,
)


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_device_stays_a_device():
    write_bytes("/dev/null", b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_gets_the_bytes(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"x" * 200_000)
    reader.join(10)
    assert got == [b"x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert left(tmp_path) == ["pipe"]


def test_a_descriptor_is_written_where_it_stands(tmp_path):
    with (tmp_path / "log").open("wb", buffering=0) as log:
        log.write(b"before ")
        write_bytes(f"/dev/fd/{log.fileno()}", b"after")
    assert (tmp_path / "log").read_bytes() == b"before after"


def test_symbolic_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/a")
    (tmp_path / "dangling").symlink_to("real/b")
    (tmp_path / "folder").symlink_to("real/c")
    write_bytes(tmp_path / "link", b"new")
    write_bytes(tmp_path / "dangling", b"new")
    (tmp_path / "real" / "c").mkdir()
    write_folder(tmp_path / "folder", [("x", b"1")])
    assert all((tmp_path / n).is_symlink() for n in ("link", "dangling", "folder"))
    assert (tmp_path / "real" / "a").read_bytes() == b"new"
    assert (tmp_path / "real" / "b").read_bytes() == b"new"
    assert left(tmp_path / "real" / "c") == ["x"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_stays(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


def test_a_new_file_minds_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_read_only_files_and_folders_are_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o444)
    for target, why in ((path, "read-only"), (tmp_path, "folder"), (tmp_path / "no" / "a", "No")):
        with pytest.raises(FormatError, match=f"expected a writable target, got: .*{why}"):
            write_bytes(target, b"new")
    assert path.read_bytes() == b"old"
    assert left(tmp_path) == ["a"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, OSError(28, "No space left")])
def test_no_draft_stays(tmp_path, monkeypatch, end):
    def fail(*arguments):
        raise end

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FormatError if isinstance(end, OSError) else end):
        write_bytes(tmp_path / "a", b"new")
    with pytest.raises(FormatError if isinstance(end, OSError) else end):
        write_folder(tmp_path / "b", [("x", b"1")])
    assert left(tmp_path) == []


def test_gzip_is_told_by_its_first_bytes(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(gzip.compress(b"[1]") + gzip.compress(b"[2]"))
    assert read_bytes(path) == b"[1][2]"
    # A safetensors file whose header is 0x088b1f bytes long begins so, too.
    held = (0x088B1F).to_bytes(8, "little") + b"{}"
    path.write_bytes(held)
    assert read_bytes(path) == held
    (tmp_path / "b.gz").write_bytes(b"no gzip")
    with pytest.raises(FormatError, match=r"b\.gz: expected a readable file"):
        read_bytes(tmp_path / "b.gz")


def test_a_gzip_bomb_is_refused(tmp_path):
    path = tmp_path / "a.json.gz"
    block = gzip.compress(b" " * (1 << 24))
    path.write_bytes(block * ((UNPACKED_LEAST >> 24) + 1))
    with pytest.raises(FormatError, match=rf"at most {UNPACKED_LEAST} bytes in a gzip file of"):
        read_bytes(path)


def test_names_with_null_bytes_are_refused(tmp_path):
    for do in (lambda p: read_bytes(p), lambda p: write_bytes(p, b"")):
        with pytest.raises(FormatError, match="null byte"):
            do(str(tmp_path) + "/a\0b")


def has_nameless_files(folder):
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except (AttributeError, OSError):
        return False
    return True


def test_what_is_killed_leaves_nothing_behind(tmp_path):
    """The target is as it was; drafts have no name, where there are files without."""
    target = tmp_path / "o.json"
    target.write_bytes(b"old")
    script = (
        "import os, sys, refine.files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), 9)\n"
        "refine.files.write_bytes(sys.argv[1], b'new' * 10000)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, target], check=False)
    assert ended.returncode == -9
    assert target.read_bytes() == b"old"
    drafts = [f.name for f in tmp_path.iterdir() if f != target]
    assert not drafts or not has_nameless_files(tmp_path)


@pytest.mark.parametrize("nameless", [True, False])
def test_files_without_a_name_are_no_condition(tmp_path, monkeypatch, nameless):
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target = tmp_path / "o.json"
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    target.chmod(0o640)
    write_bytes(target, b"newer")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"newer", 0o640)
    monkeypatch.setattr(os, "fsync", lambda handle: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bytes(target, b"newest")
    assert [f.name for f in tmp_path.iterdir()] == ["o.json"]
    assert target.read_bytes() == b"newer"


def test_files_that_a_name_stands_for(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("x-08.tar", "x-09.tar", "x-10.tar", "b/y-1.tar", "b/y-1.txt"):
        (tmp_path / name).touch()

    def names(text):
        return [p.relative_to(tmp_path).as_posix() for p in matching_files(tmp_path / text, ".tar")]

    assert names("x-{08..10}.tar") == ["x-08.tar", "x-09.tar", "x-10.tar"]
    for nothing in ("{b..c}.tar", "none.tar", "b/y-1.txt", "x-{3..1}.tar"):
        assert names(nothing) == []
    assert names("*.tar") == names("x-??.tar") == names("x-{08..10}.tar")
    assert names("b") == ["b/y-1.tar"] == names("b/y-{1..1}.tar")
    assert names("**/*.tar") == sorted(["b/y-1.tar", *names("*.tar")]) == names("")
    (tmp_path / "x-{08..10}.tar").touch()
    assert names("x-{08..10}.tar") == ["x-{08..10}.tar"]
    with pytest.raises(FormatError, match=r"x-11\.tar: expected a file, got none; try fewer than"):
        matching_files(tmp_path / "x-{10..999999999999}.tar", ".tar")
