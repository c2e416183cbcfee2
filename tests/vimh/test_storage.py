"""Files of a folder, of this machine or not; tests/data/stream/test_bucket.py has S3."""

import os
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from multihead.errors import ConfigError, DataError, DataUnreachableError
from multihead.vimh.storage import Storage, open_storage


@pytest.fixture(params=["a folder", "elsewhere"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "a folder":
        (tmp_path / "set").mkdir()
        return open_storage(tmp_path / "set")
    return Storage(MemoryFileSystem(), str(tmp_path), "elsewhere://set")


def test_what_is_written_is_listed_read_and_removed(storage: Storage) -> None:
    storage.write("a", b"0123456789")
    storage.write("b", b"")
    assert storage.sizes() == {"a": 10, "b": 0}
    assert (storage.read("a", 4), storage.read("a", 99)) == (b"0123", b"0123456789")
    part = bytearray(4)
    storage.read_into("a", 3, memoryview(part))
    assert part == b"3456"
    storage.remove(["a"])
    storage.remove(["a"])
    assert storage.sizes() == {"b": 0}


def test_a_file_that_ends_early_or_is_absent_is_one_line(storage: Storage) -> None:
    storage.write("a", b"0123")
    with pytest.raises(DataError, match=r"set/a was cut to 4 bytes .* restart"):
        storage.read_into("a", 2, memoryview(bytearray(4)))
    with pytest.raises(DataError, match=r"set/b cannot be read: .*\. Check name") as caught:
        storage.read("b", 1)
    assert not isinstance(caught.value, DataUnreachableError)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["absent", "file", "file/below"])
def test_where_no_folder_is_are_no_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert open_storage(tmp_path / name).sizes() == {}


def test_links_to_files_count_and_folders_and_pipes_do_not(tmp_path: Path) -> None:
    """People put sets together of links; a pipe would be waited for."""
    (tmp_path / "whole").write_bytes(b"123")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("whole", "folder", "pipe", "nothing"):
        (tmp_path / f"to_{name}").symlink_to(tmp_path / name)
    assert open_storage(tmp_path).sizes() == {"whole": 3, "to_whole": 3}


@pytest.mark.parametrize("name", ["local:x", "file:x", "a::b", "a%20b"])
def test_a_path_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To fsspec some of these are addresses."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "a").write_bytes(b"1")
    assert open_storage(name).sizes() == open_storage((tmp_path / name).as_uri()).sizes()
    assert open_storage(name).read("a", 1) == b"1"


@pytest.mark.parametrize("where", ["memory://x", "http://host/x", "simplecache::s3://a/b", "s3://"])
def test_no_other_address_is_opened(where: str) -> None:
    with pytest.raises(ConfigError, match="give a path, file:///PATH or s3://BUCKET/PREFIX"):
        open_storage(where)
