import os
from pathlib import Path

import pytest

from asic_compiler.files import refusal, write_atomic


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
