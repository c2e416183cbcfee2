"""A changed file loads as valid data or is a DataError: nothing else, and in bounded memory."""

import pickle
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vimh_files import DECAY, DRUM, NOTE, batch, pictures, write_folder

from multihead.errors import DataError
from multihead.vimh import validate, vimh_source

EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 14), st.integers(0, 8), st.binary(max_size=8)),
    min_size=1,
    max_size=6,
)
WORDS = st.sampled_from(
    [b"null", b"-1", b"0", b"1e999", b"65536", b'"x"', b"[]", b"{}", b"true", b"256", b"NaN", b'"']
)


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    root = Path(tempfile.mkdtemp())
    mappings = {
        "note": NOTE,
        "decay": DECAY,
        "drum": {"min": 1, "max": 256} | {"type": DRUM["type"]},
    }
    made = {
        f"{form}{header}": write_folder(
            root / f"{form}{header}",
            counts=(4, 1),
            header=header,
            form=form,
            mappings=mappings,
            **({"train_samples": 4} if header == 6 else {"label_encoding": None}),
        )
        for form, header in (("binary", 6), ("binary", 14), ("pickle", 6))
    }
    made["list"] = write_folder(root / "list", counts=(4, 1), form="pickle", mappings=mappings)
    content = batch(pictures(2, 4, 5, 3), [[(0, 1), (1, 2), (2, 3)]] * 2)
    content["data"] = content["data"].tolist()
    content["scale_factors"] = [[-80.0, 0.0]] * 2
    (made["list"] / "train_batch").write_bytes(pickle.dumps(content, 2))
    return made


def loads_or_refuses(folder: Path, size: int) -> None:
    message = ""
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = vimh_source(folder, "train")
            images, labels = source.take(np.arange(len(source)))
        assert images.shape == (len(source), *source.image_shape)
        for name, values in labels.items():
            assert values.min(initial=0) >= 0
            assert values.max(initial=0) < source.heads[name].num_classes
    except DataError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert message == "" or (message.isprintable() and len(message) < 2000)
    assert peak < 100 * size + (24 << 20)
    for problem in validate(folder):
        assert problem.message.isprintable()


def changed(raw: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, put in edits:
        at = place % (len(raw) + 1)
        raw = raw[:at] + put + raw[at + removed :]
    return raw


@settings(max_examples=120, deadline=None)
@given(kind=st.sampled_from(["binary6", "binary14", "pickle6", "list"]), edits=EDITS)
def test_changed_samples_load_or_are_a_data_error(
    folders: dict[str, Path], kind: str, edits: list[tuple[int, int, bytes]]
) -> None:
    folder = folders[kind]
    path = folder / ("train" if kind.startswith("binary") else "train_batch")
    whole = path.read_bytes()
    try:
        path.write_bytes(changed(whole, edits))
        loads_or_refuses(folder, len(whole))
    finally:
        path.write_bytes(whole)


@settings(max_examples=80, deadline=None)
@given(
    edits=st.one_of(
        EDITS, st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 5), WORDS), min_size=1)
    )
)
def test_changed_metadata_load_or_are_a_data_error(
    folders: dict[str, Path], edits: list[tuple[int, int, bytes]]
) -> None:
    folder = folders["binary14"]
    path = folder / "vimh_dataset_info.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(changed(whole, edits))
        loads_or_refuses(folder, len(whole))
    finally:
        path.write_bytes(whole)
