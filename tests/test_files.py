import os
from pathlib import Path

import pytest

from asic_compiler.files import read_regular, refusal, replacing, staged, write_atomic


def test_writes_text_and_bytes_whole(tmp_path):
    write_atomic(tmp_path / "a", "grün")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "grün"
    write_atomic(tmp_path / "a", b"\x00\x01")
    assert (tmp_path / "a").read_bytes() == b"\x00\x01"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_is_told_before(tmp_path, monkeypatch):
    file = tmp_path / "a"
    assert refusal(file) is None
    file.write_text("old")
    assert refusal(file) is None
    assert refusal(Path(os.devnull)) is None
    assert refusal(tmp_path) == "it is a folder"
    assert refusal(file / "b") == f"there is no folder '{file}'"
    assert refusal(tmp_path / "c" / "b") == f"there is no folder '{tmp_path / 'c'}'"

    def only(*denied):
        monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) not in denied)

    # A file is replaced by another one of its folder; a device is not.
    for denied in (file, tmp_path):
        only(denied)
        assert refusal(file) == "permission denied"
    only(Path(os.devnull).parent)
    assert refusal(Path(os.devnull)) is None
    only(Path(os.devnull))
    assert refusal(Path(os.devnull)) == "permission denied"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_used_again(tmp_path):
    (tmp_path / ".a.tmp").write_text("half of something that was longer than the new text")
    write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
        assert refusal(path) is None
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("make", ["link", "hard link", "pipe", "folder"])
def test_what_stands_in_the_place_of_the_temporary_file_is_left_alone(make, tmp_path):
    other, usual = tmp_path / "other", tmp_path / ".a.tmp"
    other.write_text("mine")
    if make == "link":
        usual.symlink_to(other)
    elif make == "hard link":
        usual.hardlink_to(other)
    elif make == "pipe":
        os.mkfifo(usual)
    else:
        usual.mkdir()
    write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert other.read_text() == "mine"
    assert names(tmp_path) == [".a.tmp", "a", "other"]


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(tmp_path / "a", "new")
    assert caught.value.filename == str(tmp_path / "a")


def test_a_stage_goes_and_takes_those_of_the_dead_with_it(tmp_path):
    for name in (".run.0123.stage", ".other.0123.stage"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("")
    with staged(tmp_path, "run") as own:
        (own / "file").write_text("")
        with staged(tmp_path, "run") as another:  # of a process that is alive
            assert own.is_dir()
            assert another != own
        assert names(tmp_path) == sorted([".other.0123.stage", own.name])
    assert names(tmp_path) == [".other.0123.stage"]


def test_only_regular_files_are_read_and_up_to_a_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4"):
        read_regular(tmp_path / "file", 4)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(OSError, match="a pipe or a device"):
            read_regular(tmp_path / name)
    with pytest.raises(OSError, match="not a possible name"):
        read_regular(tmp_path / "nul\0")
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
