"""Folders of other generators, right and wrong, read exactly and trusted not at all."""

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.vimh_files import (
    DECAY,
    DRUM,
    NOTE,
    batch,
    metadata,
    pictures,
    record,
    value,
    write_folder,
    write_info,
)

from multihead.errors import DataError
from multihead.vimh import read_info, vimh_source

FIXED = {"min": 5.0, "max": 5.0}


def everything(folder: Path, split: str = "train", **options: Any) -> tuple[np.ndarray, dict]:
    source = vimh_source(folder, split, **options)
    return source.take(np.arange(len(source)))


def binary(folder: Path, samples: list[bytes], mappings: dict[str, Any], **info: Any) -> Path:
    write_info(folder, metadata((1, 2, 2), mappings, **info))
    (folder / "train").write_bytes(b"".join(samples))
    return folder


def sample(*pairs: tuple[int, int], spec: tuple[float, float] | None = None) -> bytes:
    return record(pictures(1, 2, 2, 1)[0], pairs, spec)


@pytest.mark.parametrize("size", [(28, 28, 1), (32, 32, 3), (1, 1, 1), (1, 700, 2)])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("header", [6, 14])
def test_both_headers_are_read(
    tmp_path: Path, header: int, told: bool, size: tuple[int, int, int]
) -> None:
    folder = write_folder(
        tmp_path, size=size, header=header, **({} if told else {"label_encoding": None})
    )
    images, labels = everything(folder)
    assert np.array_equal(images, pictures(12, *size))
    assert labels["decay"].tolist() == [value(i, 1) for i in range(12)]
    spec = vimh_source(folder, "train").spec_range(np.array([0, 5]))
    assert (spec is None) == (header == 6)
    assert spec is None or spec.tolist() == [[-80, 0], [-80, 0]]


@pytest.mark.parametrize(
    "encoding",
    [
        {"format": "[height] [width] [channels] [spec_min] [spec_max] [N] [param1_id] ..."},
        "[height] [width] [channels] [spec_min] [spec_max] [N]",
        {"metadata_bytes": 14, "format": "anything"},
    ],
)
def test_the_metadata_say_that_the_header_has_14_bytes(tmp_path: Path, encoding: object) -> None:
    info = read_info(write_folder(tmp_path, header=14, label_encoding=encoding))
    assert info.header_bytes == 14


def test_a_header_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    """One sample can be both: 6 bytes and N = 5, or 14 bytes and N = 1."""
    mappings = {"note": NOTE, **{f"p{i}": FIXED for i in range(5)}}
    both = sample((1, 0), (2, 0), (3, 0), (4, 1), (0, 9))
    with pytest.raises(DataError, match="both 6 and 14 bytes fit the 21 bytes"):
        vimh_source(binary(tmp_path / "d", [both], mappings), "train")
    told = {"label_encoding": {"metadata_bytes": 14}}
    assert everything(binary(tmp_path / "d", [both], mappings, **told))[1]["note"] == [9]


@pytest.mark.parametrize("version", ["1.0", 1, 2.0, "2.1", "3.0", 3, "v1.2"])
@pytest.mark.parametrize("word", ["VIMH", "vimh", "Variable Image MultiHead (VIMH)"])
def test_versions_1_to_3_are_read(tmp_path: Path, version: object, word: str) -> None:
    folder = write_folder(tmp_path, version=version, format=word, n_anything=[1, {"a": None}])
    assert read_info(folder).extra == {"n_anything": [1, {"a": None}]}
    assert len(everything(folder)[0]) == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "CIFAR-100-MH"}, "format is 'CIFAR-100-MH'"),
        ({"format": 7}, "format is 7"),
        ({"version": "4.0"}, "must be 1.0 to 3.0"),
        ({"version": "3.1"}, "must be 1.0 to 3.0"),
        ({"version": True}, "must be 1.0 to 3.0"),
        ({"version": []}, "must be 1.0 to 3.0"),
        ({"height": "4"}, "height is '4'"),
        ({"height": True}, "height is True"),
        ({"height": 4.0}, "height is 4.0"),
        ({"width": 0}, "width is 0"),
        ({"channels": 65536}, "channels is 65536"),
        ({"height": None}, "lacks height"),
        ({"parameter_names": None}, "lacks parameter_names"),
        ({"parameter_names": []}, "names 0 parameters"),
        ({"parameter_names": ["note", "note"]}, "a name twice"),
        ({"parameter_names": "note"}, "must be a list of names"),
        ({"parameter_names": ["note", 1]}, "must be a list of names"),
        ({"parameter_names": ["note", "other"]}, "parameter_mappings has no 'other'"),
        ({"parameter_mappings": []}, "parameter_mappings must be an object"),
        ({"parameter_mappings": {"note": NOTE, "decay": 3}}, "'decay' is 3"),
        ({"train_samples": "12"}, "train_samples is '12'"),
        ({"train_samples": -1}, "train_samples is -1"),
        ({"train_samples": 13}, "holds 12 samples, but vimh_dataset_info.json says 13"),
        ({"pixel_order": "WHC"}, "pixel_order is 'WHC'"),
        ({"label_encoding": {"metadata_bytes": 7}}, "metadata_bytes is 7; give 6 or 14"),
        ({"label_encoding": 3}, "label_encoding must be an object"),
        ({"dataset_name": 3}, "dataset_name is 3"),
        ({"height": 65535, "width": 65535, "channels": 65535}, "dimensions disagree"),
    ],
)
def test_wrong_metadata_are_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    folder = write_folder(tmp_path)
    path = folder / "vimh_dataset_info.json"
    info = json.loads(path.read_text()) | change
    path.write_text(json.dumps({k: v for k, v in info.items() if v is not None}))
    with pytest.raises(DataError, match=reason):
        vimh_source(folder, "train")


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"min": 0}, "has max missing"),
        ({"min": 2, "max": 1}, "min 2.0 above max 1.0"),
        ({"min": "0", "max": 1}, "has min '0'; it must be a number"),
        ({"min": True, "max": 2}, "has min True"),
        ({"min": 0, "max": 1e999}, "has max inf; it must be finite|not valid JSON"),
        ({"min": 0, "max": 10**400}, "it must be finite"),
        ({"min": -1e308, "max": 1e308}, "too wide"),
        ({"min": 0, "max": 1, "scale": "log"}, "cannot be log"),
        ({"min": 0, "max": 1, "scale": "cubic"}, "scale 'cubic'"),
        ({"min": 0, "max": 1, "scale": 3}, "scale 3; it must be text"),
        ({"min": 0, "max": 1, "unit": 3}, "unit 3; it must be text"),
        ({"min": 0, "max": 1, "step": 0}, "step is 0.0; it must be above 0"),
        ({"min": 0, "max": 256, "type": "classification"}, "257 classes do not fit into 8 bits"),
        ({"min": 0, "max": 1.5, "type": "classification"}, "whole numbers"),
        ({"min": 0, "max": 1, "type": 4}, "type 4; it must be text"),
    ],
)
def test_wrong_mappings_are_refused(tmp_path: Path, mapping: dict[str, Any], reason: str) -> None:
    folder = write_folder(tmp_path, mappings={"note": NOTE, "x": mapping})
    with pytest.raises(DataError, match=reason) as error:
        vimh_source(folder, "train")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[]", "has a list"),
        (b"null", "has a NoneType"),
        (b"\xff{}", "not valid JSON"),
        (b'{"format": "VIMH", "format": "VIMH"}', "'format' occurs twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not"),
        (b'{"a": 1e999}', "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "nests deeper"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nests deeper"),
        (b" " * (9 << 20), "larger than"),
    ],
)
def test_hostile_json_is_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    folder = write_folder(tmp_path)
    (folder / "vimh_dataset_info.json").write_bytes(text)
    with pytest.raises(DataError, match=reason) as error:
        read_info(folder)
    assert str(error.value).isprintable()


def test_ids_may_come_in_any_order(tmp_path: Path) -> None:
    mappings = {"note": NOTE, "decay": DECAY}
    samples = [sample((1, 10), (0, 20)), sample((0, 21), (1, 11)), sample((1, 12), (0, 22))]
    _, labels = everything(binary(tmp_path / "d", samples, mappings))
    assert labels["note"].tolist() == [20, 21, 22]
    assert labels["decay"].tolist() == [10, 11, 12]


def test_fixed_parameters_make_no_head_and_may_have_pairs(tmp_path: Path) -> None:
    mappings = {"room": FIXED, "note": NOTE, "hall": {"min": 1, "max": 1}}
    samples = [sample((0, 0), (1, 7)), sample((1, 8), (2, 0))]
    source = vimh_source(binary(tmp_path / "d", samples, mappings), "train")
    assert list(source.heads) == ["note"]
    assert source.labels["note"].tolist() == [7, 8]
    assert read_info(tmp_path / "d").fixed == {"room": 5.0, "hall": 1.0}


def test_without_a_parameter_that_varies_there_is_nothing_to_predict(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no parameter varies"):
        read_info(binary(tmp_path / "d", [sample((0, 0))], {"room": FIXED}))


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (sample((0, 1), (2, 0)), r"sample 1 \(byte 24\): parameter id 2 is beyond the ids 0 to 1"),
        (sample((0, 1), (0, 1)), r"sample 1 \(byte 24\): parameter id 0 occurs twice"),
        (sample((0, 1)), r"sample 1 \(byte 15\): it has N = 1 parameters, the first sample has 2"),
        (sample((0, 1), (1, 2), (0, 0)), r"sample 1 \(byte 15\): it has N = 3"),
        (sample((0, 1), (1, 2))[:-1], r"sample 1 \(byte 15\): it is cut short: 14 of 15 bytes"),
        (b"\3" + sample((0, 1), (1, 2))[1:], r"sample 1 \(byte 15\): its header says 3x2x1"),
    ],
)
@pytest.mark.parametrize("told", [True, False])
def test_a_damaged_sample_is_named_with_its_byte(
    tmp_path: Path, second: bytes, reason: str, told: bool
) -> None:
    encoding = {"label_encoding": {"metadata_bytes": 6}} if told else {}
    samples = [sample((0, 1), (1, 2)), second, sample((0, 1), (1, 2))]
    samples = samples[: 2 if "cut" in reason else 3]
    with pytest.raises(DataError, match=reason):
        everything(binary(tmp_path / "d", samples, {"note": NOTE, "decay": DECAY}, **encoding))


@pytest.mark.parametrize("pairs", [[], [(0, 1)], [(0, 1), (1, 1), (2, 1)]])
def test_the_first_sample_needs_a_pair_for_each_parameter(
    tmp_path: Path, pairs: list[tuple[int, int]]
) -> None:
    folder = binary(tmp_path / "d", [sample(*pairs)], {"note": NOTE, "decay": DECAY})
    with pytest.raises(DataError, match=r"sample 0|neither"):
        everything(folder)


@pytest.mark.parametrize("header", [6, 14])
def test_every_cut_is_found(tmp_path: Path, header: int) -> None:
    """Also between two samples, where only the metadata's count tells it."""
    folder = write_folder(
        tmp_path, size=(2, 1, 1), counts=(3, 1), header=header, train_samples=3, test_samples=1
    )
    whole = (folder / "train").read_bytes()
    for size in range(len(whole)):
        (folder / "train").write_bytes(whole[:size])
        with pytest.raises(DataError):
            vimh_source(folder, "train")


def test_255_parameters(tmp_path: Path) -> None:
    mappings = {f"p{i}": NOTE for i in range(255)}
    for form in ("binary", "pickle"):
        _, labels = everything(write_folder(tmp_path / form, mappings=mappings, form=form))
        assert [labels[f"p{i}"][3] for i in range(255)] == [value(3, i) for i in range(255)]


def test_names_are_letters_of_any_script(tmp_path: Path) -> None:
    mappings = {"tonhöhe": NOTE, "音量": DECAY}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = write_folder(tmp_path, mappings=mappings, name="vimh-4x5x3_größe_音")
        assert list(vimh_source(folder, "train").heads) == ["tonhöhe", "音量"]


def test_other_names_become_names_with_a_warning(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, mappings={"note number": NOTE, "2nd-decay.time": DECAY})
    with pytest.warns(UserWarning, match="'note number' is note_number, '2nd-decay.time' is p_2nd"):
        source = vimh_source(folder, "train")
    assert list(source.heads) == ["note_number", "p_2nd_decay_time"]


def test_names_that_become_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'a b' and 'a-b' both become the head 'a_b'"):
        read_info(write_folder(tmp_path, mappings={"a b": NOTE, "a-b": NOTE}))


def test_an_unknown_type_is_continuous_with_a_warning(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, mappings={"note": NOTE | {"type": "float"}})
    with pytest.warns(UserWarning, match="type 'float'; it is read as continuous"):
        assert vimh_source(folder, "train").heads["note"].num_classes == 256


class TestStoredClasses:
    """A byte counts from the mapping's min, unless the bytes show that it is the value."""

    def folder(self, tmp_path: Path, train: list[int], test: list[int]) -> Path:
        folder = binary(tmp_path / "d", [sample((0, v)) for v in train], {"drum": DRUM})
        (folder / "test").write_bytes(b"".join(sample((0, v)) for v in test))
        return folder

    def test_counted_from_min(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path, [0, 1, 2, 3, 3], [3])
        assert everything(folder)[1]["drum"].tolist() == [0, 1, 2, 3, 3]

    def test_the_value_itself(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path, [3, 4, 5, 6], [3, 3])
        with pytest.warns(UserWarning, match="drum store the value itself"):
            assert everything(folder)[1]["drum"].tolist() == [0, 1, 2, 3]
        assert everything(folder, "test")[1]["drum"].tolist() == [0, 0]

    def test_neither(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"sample 1 \(byte 20\): value 5 of 'drum' is outside"):
            everything(self.folder(tmp_path, [0, 5], []))


class TestPickles:
    MAPPINGS = {"note": NOTE, "decay": DECAY}  # noqa: RUF012
    LABELS = [[(0, 1), (1, 2)], [(1, 4), (0, 3)]]  # noqa: RUF012

    def write(self, tmp_path: Path, content: Any, protocol: int = 4, **info: Any) -> Path:
        folder = tmp_path / "d"
        write_info(folder, metadata((3, 4, 5), self.MAPPINGS, **info))
        (folder / "train_batch").write_bytes(pickle.dumps(content, protocol))
        return folder

    def batch(self, order: str = "HWC", **more: Any) -> dict[str, Any]:
        return batch(pictures(2, 4, 5, 3), self.LABELS, order, **more)

    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize("kind", ["array", "lists", "arrays", "bytes", "bytes keys"])
    def test_forms_that_occur(self, tmp_path: Path, kind: str, protocol: int) -> None:
        content = self.batch(scale_factors=np.array([[-80, 0], [-70, 1]], np.float32))
        data = content["data"]
        labels = content["vimh_labels"]
        if kind == "lists":
            content |= {
                "data": data.tolist(),
                "scale_factors": [np.array([-80.0, 0.0]), (-70, 1.0)],
            }
        elif kind == "arrays":
            content |= {"data": [*data], "vimh_labels": [np.array(row) for row in labels]}
        elif kind == "bytes":
            content |= {"data": [row.tobytes() for row in data], "vimh_labels": np.array(labels)}
        elif kind == "bytes keys":
            content = {key.encode(): item for key, item in content.items()}
        folder = self.write(tmp_path, content, protocol)
        images, found = everything(folder)
        assert np.array_equal(images, pictures(2, 4, 5, 3))
        assert found["note"].tolist() == [1, 3]
        assert found["decay"].tolist() == [2, 4]
        spec = vimh_source(folder, "train").spec_range(np.array([1]))
        assert spec is not None
        assert spec.tolist() == [[-70, 1]]

    def test_the_sizes_may_be_missing(self, tmp_path: Path) -> None:
        content = self.batch()
        folder = self.write(tmp_path, {k: content[k] for k in ("data", "vimh_labels")})
        assert len(everything(folder)[0]) == 2

    def test_the_metadata_state_the_pixel_order(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path, self.batch("CHW"), pixel_order="CHW")
        assert np.array_equal(everything(folder)[0], pictures(2, 4, 5, 3))
        with pytest.warns(UserWarning, match="state the pixel order CHW, so HWC is not used"):
            assert np.array_equal(everything(folder, pixel_order="HWC")[0], pictures(2, 4, 5, 3))

    def test_an_argument_states_it_otherwise(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path, self.batch("CHW"))
        images, _ = everything(folder, pixel_order="CHW")
        assert np.array_equal(images, pictures(2, 4, 5, 3))

    @pytest.mark.parametrize("right", ["HWC", "CHW"])
    def test_smooth_pictures_show_a_wrong_order(self, tmp_path: Path, right: str) -> None:
        y, x = np.mgrid[0:16, 0:16] / 16
        waves = [np.sin(2 * y + k) + np.cos(3 * x + i) for i in range(4) for k in range(3)]
        images = (60 * np.array(waves) + 128).astype(np.uint8).reshape(4, 3, 16, 16)
        labels = [self.LABELS[0]] * 4
        folder = tmp_path / "d"
        write_info(folder, metadata((3, 16, 16), self.MAPPINGS))
        content = batch(images, labels, right)
        (folder / "train_batch").write_bytes(pickle.dumps(content))
        assert np.array_equal(everything(folder, pixel_order=right)[0], images)
        wrong = "CHW" if right == "HWC" else "HWC"
        with pytest.warns(UserWarning, match=f"much smoother as {right}"):
            everything(folder, pixel_order=wrong)

    @pytest.mark.parametrize("keys", [{"height": 3}, {"width": 6}, {"channels": 1}])
    def test_other_sizes_than_the_metadata(self, tmp_path: Path, keys: dict[str, int]) -> None:
        with pytest.raises(DataError, match="dimensions disagree"):
            everything(self.write(tmp_path, self.batch() | keys))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"vimh_labels": [[2, 0, 1, 1, 2], [1, 0, 1]]}, "sample 1: it has N = 1 parameters"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1]]}, "sample 1: its labels are a row of 3"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], []]}, "sample 1: its labels are a row of 0"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1, 1, 256]]}, "sample 1: .* from 0 to 255"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1, 1, -1]]}, "sample 1: .* from 0 to 255"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1, 1, 1.0]]}, "sample 1: .* integers"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1, 1, True]]}, "sample 1: .* integers"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], "abc"]}, "sample 1: .* integers"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 0, 1, 2, 1]]}, "sample 1: .*id 2 is beyond"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [2, 1, 1, 1, 1]]}, "sample 1: .*occurs twice"),
            ({"vimh_labels": [[2, 0, 1, 1, 2], [10**30]]}, "sample 1: .* from 0 to 255"),
            ({"vimh_labels": [[2, 0, 1, 1, 2]]}, "2 images, but labels of 1"),
            ({"vimh_labels": {}}, "must be a list of rows"),
            ({"vimh_labels": None}, "it has the keys"),
            ({"data": np.zeros((2, 60), np.int32)}, "`data` is int32; it must be uint8"),
            ({"data": np.zeros((2, 59), np.uint8)}, r"shape \[2, 59\]"),
            ({"data": np.zeros(120, np.uint8)}, r"shape \[120\]"),
            ({"data": np.zeros((2, 3, 4, 5), np.uint8)}, "as the pixel order HWC needs"),
            ({"data": [[0] * 60, [0] * 59]}, "sample 1: it has 59 pixels; it must have 60"),
            ({"data": [[0] * 60, [256] * 60]}, "sample 1: its pixels are not all from 0 to 255"),
            ({"data": "x"}, "`data` is str"),
            ({"num_samples": 3}, "num_samples is 3, but there are 2"),
            ({"height": "4"}, "height is '4'; it must be an integer"),
            ({"scale_factors": np.zeros((3, 2))}, "scale_factors are of shape"),
            ({"scale_factors": "x"}, "scale_factors must be numbers"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, tmp_path: Path, change: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(DataError, match=reason):
            everything(self.write(tmp_path, self.batch() | change))

    @pytest.mark.parametrize("content", [[], 3, "x", None])
    def test_a_batch_is_a_dict(self, tmp_path: Path, content: object) -> None:
        with pytest.raises(DataError, match="it must be a dict"):
            everything(self.write(tmp_path, content))

    def test_one_row_cannot_stand_for_thousands(self, tmp_path: Path) -> None:
        """Two bytes of a pickle repeat a row, so a megabyte could expand to gigabytes."""
        row, label = np.zeros(60, np.uint8), [2, 0, 1, 1, 2]
        content = self.batch() | {"data": [row] * 5000, "vimh_labels": [[*label]] * 5000}
        with pytest.raises(DataError, match="it expands"):
            everything(self.write(tmp_path, content))


def test_a_file_that_is_cut_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    """Its missing pages would otherwise end the process by SIGBUS."""
    folder = write_folder(tmp_path, size=(64, 64, 3), counts=(4, 1))
    source = vimh_source(folder, "train")
    with (folder / "train").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(DataError, match=r"was cut from 49,196 to 5,000 bytes"):
        source.take(np.array([3]))


def test_metadata_that_contradict_themselves_show_both_sizes(tmp_path: Path) -> None:
    for text in ("4x5x3", "4x5", "any"):
        assert len(vimh_source(write_folder(tmp_path, image_size=text), "train")) == 12
    folder = write_folder(tmp_path, image_size="5x4x3")
    with pytest.raises(DataError, match=r"image_size says 5x4x3, but .* are \[4, 5, 3\]"):
        vimh_source(folder, "train")
