import math
import os
import resource
import signal
from pathlib import Path

import pytest

from multihead.errors import StoreError
from multihead.tracking import spool
from multihead.tracking.spool import DAMAGED, Spool, decode, encode, read

RECORDS = [{"what": "metrics", "step": n, "values": {"a/ü": n / 3}} for n in range(3)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = Spool(tmp_path / "spool.jsonl")
    for record in RECORDS:
        made.append(record)
    made.close()
    return made.path


def _records(path: Path, offset: int = 0) -> list[spool.Record]:
    return [entry.record for entry in read(path, offset)]


def test_records_come_back_in_order_from_any_of_them_on(path: Path) -> None:
    ends = [entry.end for entry in read(path)]
    assert _records(path) == RECORDS
    assert _records(path, ends[1]) == RECORDS[2:]
    assert ends[-1] == path.stat().st_size


def test_values_that_are_not_finite_come_back() -> None:
    back = decode(encode({"what": "x", "v": [math.nan, math.inf, -math.inf, 0.1]}))["v"]
    assert math.isnan(back[0])
    assert back[1:] == [math.inf, -math.inf, 0.1]


def test_a_line_cut_anywhere_is_not_taken_for_a_record(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert _records(path) == RECORDS[: whole[:size].count(b"\n")]


def test_only_a_damaged_line_is_lost(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 30] ^= 1
    path.write_bytes(content)
    assert _records(path) == [RECORDS[0], DAMAGED, RECORDS[2]]


def test_writing_goes_on_after_the_last_whole_record(path: Path) -> None:
    end = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode(RECORDS[0])[:-5])
    again = Spool(path, end)
    again.append(RECORDS[1])
    again.close()
    assert _records(path) == [*RECORDS, RECORDS[1]]


def test_a_full_disk_is_named_and_leaves_no_half_record(path: Path) -> None:
    """A limit on the size of files stands for the disk here."""
    before, size = resource.getrlimit(resource.RLIMIT_FSIZE), path.stat().st_size
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    full = Spool(path, size)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        with pytest.raises(StoreError, match=r"spool\.jsonl cannot be written to \(File too large"):
            full.append(RECORDS[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.stat().st_size == size
    full.append(RECORDS[0])
    full.close()
    assert _records(path) == [*RECORDS, RECORDS[0]]


def test_a_record_is_in_the_file_before_the_call_returns(tmp_path: Path) -> None:
    """A process killed right after it loses nothing."""
    child = os.fork()
    if child == 0:
        Spool(tmp_path / "spool.jsonl").append(RECORDS[0])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert _records(tmp_path / "spool.jsonl") == RECORDS[:1]
