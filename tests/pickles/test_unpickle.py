"""Whatever bytes come, plain data or a DataError come out, and nothing runs."""

import copyreg
import os
import pickle
import re
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multihead.errors import DataError
from multihead.pickles.unpickle import safe_load, safe_loads

PLAIN = {
    "batch_label": "training batch 1 of 5",
    b"labels": [0, 9, -1, 300, 70_000, 2**70, True, None],
    "numbers": (1.5, 1j, float("inf"), (), ((), (1, (2, (3, 4, 5))))),
    "text": ["", "é€\U0001f600\n\\", "a" * 300],
    "bytes": [b"", b"\x00\xff", bytearray(), bytearray(b"ab"), b"b" * 300],
    "sets": [set(), {"a", 1}, frozenset(), frozenset({None, 2.5})],
    "ordered": OrderedDict([("b", []), ("a", {})]),
}
ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(2, 6),
    np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0),
    np.zeros((0, 3), np.complex64),
    np.array(7, np.int16),
    np.array([True, False]),
    np.array(["é", "abc"]),
    np.array([b"a", b"bcd"]),
    np.float32(1.5),
    np.bool_(True),
    np.str_("ab"),
    np.dtype(">u2"),
]


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and same([*a.values()], [*b.values()])
    return type(a) is type(b) and a == b


def python2_batch(data: np.ndarray, labels: list[int]) -> bytes:
    """Write what Python 2 wrote into the published CIFAR files, opcode by opcode."""
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03",
            b"U\x06labelsq\x04]q\x05(" + b"".join(b"K" + bytes([n]) for n in labels) + b"e",
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07",
            b"cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01bq\n\x87Rq\x0b(K\x01",
            b"M" + struct.pack("<H", data.shape[0]) + b"M" + struct.pack("<H", data.shape[1]),
            b"\x86q\x0ccnumpy\ndtype\nq\rU\x02u1q\x0eK\x00K\x01\x87Rq\x0f(K\x03U\x01|q\x10",
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x11b\x89",
            b"T" + struct.pack("<i", data.nbytes) + data.tobytes() + b"q\x12tq\x13bu.",
        ]
    )


FACTORS = (274_177, 67_280_421_310_721)  # of 2**64 + 1
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


class Calls:
    """Pickle as a call of any function."""

    def __init__(self, function: object, *args: object) -> None:
        self.parts = (function, args)

    def __reduce__(self) -> tuple[object, ...]:
        return self.parts


def peak_of_loading(data: bytes) -> tuple[int, str]:
    """Return the peak of traced memory in bytes, and the error's message."""
    tracemalloc.start()
    try:
        safe_loads(data, "x")
    except DataError as error:
        return tracemalloc.get_traced_memory()[1], str(error)
    finally:
        tracemalloc.stop()
    return 0, ""


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [PLAIN, ARRAYS], ids=["plain", "arrays"])
def test_data_come_back_as_they_were(value: object, protocol: int) -> None:
    assert same(value, safe_loads(pickle.dumps(value, protocol), "x"))


def test_a_python2_batch_is_read_as_the_unpickler_reads_it() -> None:
    """The published files were written by Python 2 and nobody will write them anew."""
    data = np.arange(256, dtype=np.uint8).repeat(24).reshape(2, 3072)
    written = python2_batch(data, [3, 9])
    assert same(safe_loads(written, "x"), pickle.loads(written, encoding="latin1"))
    assert same(safe_loads(written, "x")["data"], data)


def test_python2_text_of_protocol_0_is_read_without_eval() -> None:
    assert safe_loads(b"(dp1\nS'a\\'\\xe9\\n'\np2\nI01\ns.", "x") == {"a'é\n": True}


@pytest.mark.parametrize("protocol", [2, 5])
def test_arrays_are_writable_and_share_no_memory(protocol: int) -> None:
    """Else a later in-place change would alter another array, or fail."""
    raw = np.arange(3, dtype=np.uint8)
    one, two = safe_loads(pickle.dumps([raw, raw.copy()], protocol), "x")
    one += 1
    assert two.tolist() == [0, 1, 2]


def test_a_shared_list_stays_shared() -> None:
    labels = [1, 2]
    loaded = safe_loads(pickle.dumps({"fine": labels, "coarse": labels}), "x")
    assert loaded["fine"] is loaded["coarse"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("function", "named"),
    [(eval, "eval"), (os.system, "system"), (os.mkdir, "mkdir"), (getattr, "getattr")],
)
def test_a_function_is_refused_by_name_before_it_runs(
    tmp_path: Path, function: object, named: str, nested: bool, protocol: int
) -> None:
    marker = tmp_path / "marker"
    code = {"eval": f"__import__('os').mkdir({str(marker)!r})", "system": f"mkdir {marker}"}
    hostile: object = Calls(function, code.get(named, str(marker)), *["x"] * (named == "getattr"))
    if nested:
        hostile = {"data": [ARRAYS[0], (1, {"labels": [hostile]})]}
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps(hostile, protocol))
    with pytest.raises(DataError, match=rf"is refused: it would run \w+\.{named} \(at byte \d+\)"):
        safe_load(path)
    assert not marker.exists()
    if named != "getattr":
        pickle.loads(path.read_bytes())
        assert marker.exists(), "the file was harmless, so the test shows nothing"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"(S'x'\nios\nsystem\n.", "os.system"),  # INST
        (b"(icollections\nOrderedDict\n.", "make an instance of collections.OrderedDict"),
        (b"(cos\nsystem\nS'x'\no.", "os.system"),  # OBJ
        (b"\x80\x02cos\nsystem\n)\x81.", "os.system"),  # NEWOBJ
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93)}\x92.", "os.system"),  # NEWOBJ_EX
        (b"ccopyreg\n_reconstructor\n.", "copyreg._reconstructor"),
        (b"ccopy_reg\n__newobj__\n.", "copy_reg.__newobj__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0bndarray.dot\x93.", "numpy.ndarray.dot"),
        (b"cnumpy\ncore.multiarray._reconstruct.__globals__\n.", "__globals__"),
        (b"c__main__\nX\\x0a\nY\n.", "__main__.X"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pid\n.", "PERSID"),
        (b"\x80\x02K\x01Q.", "BINPERSID"),
        (b"\x80\x02)\x81.", "NEWOBJ"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02}}b.", "set the state of dict"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}b.", "set the state of OrderedDict"),
        (b"\x80\x02cnumpy\nndarray\n}b.", "set the state of Global"),
        (pickle.dumps(ARRAYS[0], 2)[:-1] + b"}b.", "set the state of ndarray"),
        (pickle.dumps(ARRAYS[8], 2)[:-1] + b"}b.", "set the state of float32"),
        (b"\x80\x04cbuiltins\nset\n](NNeR.", "call Global as a function"),
        (b"\x80\x02cnumpy\nndarray\nK\x09\x85R.", "numpy.ndarray with unexpected arguments"),
        (b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.", "builtins.bytes with unexpected"),
        (b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "bytearray with unexpected"),
        (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0xX\x03\0\0\0bz2\x86R.", "encode with unexpected"),
        (b"\x80\x02cnumpy\ndtype\n.", "contains numpy.dtype itself"),
        (pickle.dumps(np.array([{}]), 4), "type O8"),
        (pickle.dumps(np.zeros(2, [("a", "u1", 3)]), 4), "type V3"),
        (pickle.dumps(np.dtype("M8[s]"), 4), "type M8"),
        (pickle.dumps(np.ma.zeros(2), 4), "numpy.ma.core._mareconstruct"),
    ],
)
def test_what_is_not_data_is_refused_by_name(data: bytes, named: str) -> None:
    with pytest.raises(DataError, match=re.escape(named)) as refusal:
        safe_loads(data, "x")
    assert "is refused" in str(refusal.value)


def raw_array(code: bytes, shape: bytes) -> bytes:
    """Write an array of one byte in protocol 5, whose dtype and shape need not fit."""
    return b"".join(
        [
            b"\x80\x05cnumpy.core.numeric\n_frombuffer\n(C\x01a",
            b"cnumpy\ndtype\n\x8c" + bytes([len(code)]) + code + b"K\x00K\x01\x87R",
            b"(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            shape + b"\x8c\x01CtR.",
        ]
    )


def test_the_array_below_is_read_when_its_parts_fit() -> None:
    """Else the cases below could be refused for another reason than their sizes."""
    assert same(safe_loads(raw_array(b"u1", b"K\x01\x85"), "x"), np.array([97], np.uint8))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04B\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00abc.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00abc.",
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
        b"\x80\x02T\xff\xff\xff\x7fa.",
        b"\x80\x02T\xff\xff\xff\xffa.",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x01\x00\x00N.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",
        b"Np2147483647\n.",
        b"Np-1\n.",
        b"\x80\x02j\xff\xff\xff\x7f.",
        b"I" + b"9" * 100_000 + b"\n.",
        b"F" + b"9" * 100_000 + b"\n.",
        b"I0x" + b"f" * 100_000 + b"\n.",
        b"L0b" + b"1" * 100_000 + b"L\n.",
        b"c" + b"x" * 100_000 + b"\nx\n.",
        b"(" * 100_000 + b".",
        raw_array(b"u1", b"J\xff\xff\xff\x7f\x85"),
        raw_array(b"u1", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        raw_array(b"u1", b"J\xff\xff\xff\xff\x85"),
        raw_array(b"u1", b"(" + b"K\x01" * 100 + b"t"),
        # Two sizes whose product is 1 in arithmetic of 64 bits.
        raw_array(b"u1", b"".join(b"\x8a\x08%b" % struct.pack("<q", n) for n in FACTORS) + b"\x86"),
        raw_array(b"V2000000000", b"K\x01\x85"),
        raw_array(b"S2000000000", b"K\x01\x85"),
        raw_array(b"(99999,99999)u1", b"K\x01\x85"),
        raw_array(b"S9999999", b"K\x01\x85"),
        raw_array(b"U0", b"J\xff\xff\xff\x7f\x85"),
        raw_array(b"b1", b"K\x01\x85"),
        b"\x80\x04N" + b"\x94" + b"".join(b"h%c0h%ch%c\x86\x94" % (i, i, i) for i in range(99)),
    ],
)
def test_a_small_hostile_file_takes_little_memory(data: bytes) -> None:
    """The standard unpickler allocates what such files claim: gigabytes."""
    peak, message = peak_of_loading(data)
    assert message
    assert peak < 4 * len(data) + 100_000


@pytest.mark.parametrize("unit", [b"\x8f", b"]", b"}", b")\x85", b"(d", b"M\x01\x02\x8f", b"\x94"])
def test_memory_grows_with_the_size_of_the_file(unit: bytes) -> None:
    """One byte can ask for an empty set of 232; a file of them must not take 232 times its size."""
    data = b"N" + unit * (300_000 // len(unit)) + b"0"
    peak, message = peak_of_loading(data)
    assert message
    assert peak < 40 * len(data) + (16 << 20)


def test_bytes_cannot_be_copied_a_thousand_times() -> None:
    data = b"\x80\x04(B@B\x0f\x00" + bytes(1_000_000) + b"\x940cbuiltins\nbytearray\n\x940"
    peak, message = peak_of_loading(data + b"h\x01h\x00\x85R" * 1000 + b"t.")
    assert "memory" in message
    assert peak < 10 * len(data) + (16 << 20)


def test_a_list_cannot_be_made_into_a_thousand_sets() -> None:
    """Each would take more memory than the list, for four bytes of the file."""
    data = b"\x80\x04(](X\x01\0\0\0aX\x01\0\0\0be\x94cbuiltins\nset\n\x94"
    listed, _, *sets = safe_loads(data + b"0N" + b"h\x01h\x00\x85R" * 3 + b"t.", "x")
    assert (listed, sets) == ([], [{"a", "b"}, set(), set()])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"N\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60)) + b"\x940", "expands"),
        (b"]\x94h\x00a.", "within itself"),
        (b"}\x94NK\x01sK\x02h\x00s.", "within itself"),
        (b"N" + b"\x85" * 10_000 + b".", "nests deeper"),
        (b"]" * 10_000 + b"a" * 9_999 + b".", "nests deeper"),
    ],
    ids=["doubling", "list in itself", "dict in itself", "deep tuples", "deep lists"],
)
def test_the_result_is_a_finite_tree(data: bytes, reason: str) -> None:
    """Else printing or comparing it would end in a RecursionError, or never."""
    if reason == "expands":
        data = b"\x80\x04(" + data[:-2] + b"t."
    with pytest.raises(DataError, match=reason):
        safe_loads(data, "x")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({(2**61 - 1) * i: 0 for i in range(1, 10_002)}, "10,000 keys"),
        ({(1, 2): 0}, "is a tuple"),
        ({"a" * 1025}, "longer than 1,024"),
        ({np.int64(1): 0}, "is a int64"),
    ],
    ids=["colliding", "tuple", "long", "numpy"],
)
def test_keys_that_can_stall_a_dict_are_refused(value: object, reason: str) -> None:
    """A few megabytes of keys with equal hashes take hours to insert."""
    with pytest.raises(DataError, match=reason):
        safe_loads(pickle.dumps(value), "x")


def test_a_key_is_refused_before_it_is_hashed() -> None:
    """A tuple that doubles sixty times has a hash that is never done."""
    doubling = b"".join(b"h%ch%c\x86\x940" % (i, i) for i in range(60))
    with pytest.raises(DataError, match="a key or set member is a tuple"):
        safe_loads(b"\x80\x04}N\x940" + doubling + b"h\x3cNs.", "x")


def test_an_array_without_its_state_is_kept_nowhere() -> None:
    """A list that took it before its state came would hold something that is no array."""
    one, two = safe_loads(pickle.dumps([ARRAYS[0]] * 2, 2), "x")
    assert one is two
    with pytest.raises(DataError, match="an unfinished array or dtype"):
        safe_loads(b"\x80\x02]" + RECONSTRUCT + b"q\x01a.", "x")


def test_a_registered_extension_is_refused() -> None:
    """Libraries may register functions under numbers, which then need no name in a file."""
    copyreg.add_extension("os", "system", 200)
    try:
        with pytest.raises(DataError, match="opcode EXT1"):
            safe_loads(b"\x80\x02\x82\xc8X\x01\0\0\0x\x85R.", "x")
    finally:
        copyreg.remove_extension("os", "system", 200)


def test_the_unpickler_in_c_would_take_what_a_file_claims() -> None:
    """The reason for the slower one in Python: a `find_class` is not asked about such things."""
    claims = b"\x80\x02Nr\x00\x00\x10\x00."  # slot 1,048,576 of the memo
    tracemalloc.start()
    try:
        assert pickle.loads(claims) is None
        assert tracemalloc.get_traced_memory()[1] > 1_000_000 * len(claims)
    finally:
        tracemalloc.stop()
    peak, message = peak_of_loading(claims)
    assert "memo slot" in message
    assert peak < 100_000


@pytest.mark.parametrize("protocol", range(6))
def test_every_cut_is_found(protocol: int) -> None:
    whole = pickle.dumps([PLAIN, ARRAYS], protocol)
    for size in range(len(whole)):
        with pytest.raises(DataError):
            safe_loads(whole[:size], "x")


def test_a_cut_file_says_its_size_and_the_least_expected_size(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1"
    whole = pickle.dumps({"data": np.zeros((10_000, 3072), np.uint8)}, 4)
    path.write_bytes(whole[:1000])
    with pytest.raises(DataError, match="is cut short: 1,000 bytes, at least 30,7") as error:
        safe_load(path)
    assert str(path) in str(error.value)
    said = int(re.findall(r"at least ([\d,]+)", str(error.value))[0].replace(",", ""))
    assert 30_720_000 < said <= len(whole)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short: 0 bytes"),
        (b"<!DOCTYPE html>", "is not a pickle: it starts with b'<!DOCTYP'"),
        (b"N.N.", "2 bytes follow its end"),
        (b"NN.", "it ends inside"),
        (b".", "it ends inside"),
        (b"(N.", "it ends inside"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x80\x04\x8c\x01\xff.", "not valid Unicode"),
        (b"V\\ud800\n.", "not valid Unicode"),
        (b"ccollections\nOrderedDict\n(((K\x01tltR.", "not made of pairs"),
        (b"S'\\z'\n.", "unknown escape"),
        (b"Ix\n.", "a number cannot be read"),
        (b"\x80\x02\x8b\x00\x01\x00\x00" + bytes(256) + b".", "an integer of 256 bytes"),
        (pickle.dumps(np.array(["a"]), 4).replace(b"a\0\0\0", b"\0\0\0a"), "not valid Unicode"),
        (b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR\x94\x94.", "unfinished array or dtype"),
    ],
)
def test_damage_is_told_apart(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=re.escape(reason)):
        safe_loads(data, "x")


def test_a_message_is_one_line_whatever_the_names_hold() -> None:
    """The command line prints one line; more could forge its output."""
    data = b"\x80\x04\x8c\x04o\ns\x1b\x8c\x06sys\rem\x93."
    with pytest.raises(DataError) as error:
        safe_loads(data, "a\nb")
    assert str(error.value).isprintable()
    assert r"a b is refused: it would run o s\x1b.sys em" in str(error.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_path_that_is_no_file_is_a_data_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is not a file"):
        safe_load(tmp_path / name)


CORPUS = [pickle.dumps(value, p) for value in (PLAIN, ARRAYS) for p in range(6)]
CORPUS.append(python2_batch(np.zeros((1, 12), np.uint8), [3, 1, 2]))
OPCODES = sorted({b for pickled in CORPUS for b in pickled} | set(b"PQioc\x81\x82\x8f\x92\x97\x98"))
EDIT = st.tuples(
    st.integers(0, 1 << 12),
    st.integers(0, 6),
    st.one_of(st.binary(max_size=4), st.lists(st.sampled_from(OPCODES), max_size=4).map(bytes)),
)


def loads_or_refuses(data: bytes) -> None:
    message = ""
    try:
        repr(safe_loads(data, "x"))
    except DataError as error:
        message = str(error)
    assert message == "" or (message.isprintable() and len(message) < 500)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(CORPUS), st.lists(EDIT, min_size=1, max_size=6))
def test_a_changed_pickle_loads_or_is_a_data_error(
    pickled: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    """Any other exception would be a way to crash the platform with a file."""
    for place, removed, put in edits:
        at = place % (len(pickled) + 1)
        pickled = pickled[:at] + put + pickled[at + removed :]
    loads_or_refuses(pickled)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(OPCODES), max_size=60).map(bytes))
def test_any_bytes_load_or_are_a_data_error(data: bytes) -> None:
    loads_or_refuses(data + b".")


@pytest.mark.skipif("MULTIHEAD_DATA_DIR" not in os.environ, reason="MULTIHEAD_DATA_DIR is not set")
def test_a_real_batch_is_read_as_the_unpickler_reads_it() -> None:
    path = Path(os.environ["MULTIHEAD_DATA_DIR"]) / "cifar-10-batches-py" / "test_batch"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    assert same(safe_load(path), pickle.loads(path.read_bytes(), encoding="latin1"))
