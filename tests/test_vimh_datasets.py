"""VIMH as its users meet it: a folder becomes a dataset, a DataModule and a training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.vimh_files import DRUM, NOTE, metadata, pictures, record, value, write_folder, write_info
from torch.utils.data import default_collate

from multihead import (
    Head,
    Heads,
    SimpleCNN,
    VIMHDataModule,
    VIMHDataset,
    VIMHWriter,
    run,
)
from multihead.errors import ConfigError, DataError
from multihead.heads import Parameter

SIZES = [(28, 28, 1), (32, 32, 3), (64, 48, 2), (1, 1, 1)]


class TestVIMHDataset:
    @pytest.mark.parametrize("form", ["binary", "pickle"])
    @pytest.mark.parametrize("size", SIZES)
    def test_it_yields_pixels_and_codes_as_they_were_written(
        self, tmp_path: Path, size: tuple[int, int, int], form: str
    ) -> None:
        data = VIMHDataset(write_folder(tmp_path, size=size, form=form), split="train")
        written = pictures(12, *size)
        assert len(data) == 12
        for i, (image, labels) in enumerate(data):
            assert image.dtype == torch.float32
            torch.testing.assert_close(image, torch.from_numpy(written[i]) / 255)
            assert labels == {"note": value(i, 0), "decay": value(i, 1)}

    def test_codes_decode_to_units(self, tmp_path: Path) -> None:
        heads = VIMHDataset(write_folder(tmp_path)).heads
        assert heads["note"].decode(255) == 90
        assert heads["note"].decode(51) == pytest.approx(50)
        assert heads["decay"].decode([0, 255]) == pytest.approx([0.1, 10])
        assert heads["decay"].decode(127.5) == pytest.approx(1)
        assert heads["note"].unit == "semitones"

    def test_binary_is_preferred_where_there_are_both(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path, seed=1)
        write_folder(tmp_path, seed=2, form="pickle")
        image, _ = VIMHDataset(folder)[0]
        torch.testing.assert_close(image, torch.from_numpy(pictures(1, 4, 5, 3, 1)[0]) / 255)

    def test_samples_make_batches(self, tmp_path: Path) -> None:
        data = VIMHDataset(write_folder(tmp_path), "test")
        images, labels = default_collate([data[0], data[-1]])
        assert images.shape == (2, 3, 4, 5)
        assert labels["note"].dtype == torch.int64

    @pytest.mark.parametrize("index", [5, -6])
    def test_a_sample_that_is_not_there_is_an_index_error(self, tmp_path: Path, index: int) -> None:
        with pytest.raises(IndexError):
            _ = VIMHDataset(write_folder(tmp_path), "test")[index]

    def test_an_empty_split_has_no_samples(self, tmp_path: Path) -> None:
        assert len(VIMHDataset(write_folder(tmp_path, counts=(4, 0)), "test")) == 0

    def test_a_missing_split_is_named(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path)
        (folder / "test").unlink()
        with pytest.raises(DataError, match="neither a binary `test` nor a pickle `test_batch`"):
            VIMHDataset(folder, "test")

    def test_a_missing_folder_names_the_command_that_makes_one(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="multihead data generate resonator"):
            VIMHDataset(tmp_path / "none")


class TestVIMHDataModule:
    @pytest.mark.parametrize("size", SIZES)
    def test_shape_classes_and_heads_are_known_before_setup(
        self, tmp_path: Path, size: tuple[int, int, int]
    ) -> None:
        data = VIMHDataModule(write_folder(tmp_path, size=size), 4, 0)
        assert data.image_shape == (size[2], size[0], size[1])
        assert data.num_classes == {"note": 256, "decay": 256}
        assert [head.kind.name for head in data.heads.values()] == ["ordinal", "ordinal"]
        images, labels = next(iter(data.train_dataloader()))
        assert images.shape == (4, *data.image_shape)
        assert list(labels) == ["note", "decay"]

    def test_they_configure_a_network(self, tmp_path: Path) -> None:
        data = VIMHDataModule(write_folder(tmp_path, size=(28, 28, 1)), batch_size=4)
        net = SimpleCNN(
            input_channels=data.image_shape[0],
            input_size=data.image_shape[1:],
            heads_config=data.num_classes,
        )
        images, _ = next(iter(data.train_dataloader()))
        assert {name: out.shape for name, out in net(images).items()} == {
            "note": (4, 256),
            "decay": (4, 256),
        }

    @pytest.mark.parametrize("wrong", ["folder", "metadata", "data"])
    @pytest.mark.parametrize("form", ["binary", "pickle"])
    def test_dimension_validation(self, tmp_path: Path, form: str, wrong: str) -> None:
        """Whichever of the three is wrong, the message shows all of them."""
        said = {"folder": "4x5x3", "metadata": "4x5x3", "data": "4x5x3"} | {wrong: "4x4x3"}
        sizes = {key: tuple(map(int, text.split("x"))) for key, text in said.items()}
        folder = write_folder(
            tmp_path, size=sizes["data"], name=f"vimh-{said['folder']}_x", form=form
        )
        info = folder / "vimh_dataset_info.json"
        stated = dict(zip(("height", "width", "channels"), sizes["metadata"], strict=True))
        info.write_text(json.dumps(json.loads(info.read_text()) | stated))
        with pytest.raises(DataError, match="dimensions disagree") as error:
            _ = VIMHDataModule(folder).image_shape
        message = str(error.value)
        assert f"name says {said['folder']}" in message
        assert f"info.json says {said['metadata']}" in message
        assert f"says {said['data']}. Correct" in message

    @pytest.mark.parametrize("name", ["vimh-4x5_8000Hz_1p0s_256dss_resonarium_2p", "mine"])
    def test_a_folder_may_leave_out_channels_or_all(self, tmp_path: Path, name: str) -> None:
        assert VIMHDataModule(write_folder(tmp_path, name=name)).image_shape == (3, 4, 5)

    @pytest.mark.parametrize(
        ("channels", "mean", "std"),
        [
            (1, [0.5], [0.5]),
            (2, [0.5, 0.5], [0.5, 0.5]),
            (3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ],
    )
    def test_default_normalisation(
        self, tmp_path: Path, channels: int, mean: list[float], std: list[float]
    ) -> None:
        data = VIMHDataModule(write_folder(tmp_path, size=(4, 5, channels)))
        source = data.train_source
        assert [*source.mean] == mean
        assert [*source.std] == std
        images, _ = next(iter(data.test_dataloader()))
        raw = pictures(5, 4, 5, channels) / 255
        expected = (raw - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
        torch.testing.assert_close(images, torch.from_numpy(expected).float())

    def test_the_split_is_seeded(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path, counts=(40, 2))
        one, again, other = (VIMHDataModule(folder, seed=s).val_indices for s in (1, 1, 2))
        assert one.tolist() == again.tolist() != other.tolist()

    def test_training_on_an_empty_split_is_one_line(self, tmp_path: Path) -> None:
        data = VIMHDataModule(write_folder(tmp_path, counts=(0, 2)))
        assert data.image_shape == (3, 4, 5)
        with pytest.raises(DataError, match="no samples; there is nothing to train on"):
            _ = data.train_indices

    def test_workers_read_what_memory_cannot_hold(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path, counts=(40, 2))
        beyond = VIMHDataModule(folder, 8, 1, memory_budget_mb=0.0001)
        for (a, la), (b, lb) in zip(
            VIMHDataModule(folder, 8).train_dataloader(), beyond.train_dataloader(), strict=True
        ):
            torch.testing.assert_close(a, b)
            assert all(torch.equal(la[name], lb[name]) for name in la)

    def test_a_damaged_sample_is_named_when_it_is_read(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path)
        raw = bytearray((folder / "train").read_bytes())
        size = len(raw) // 12
        raw[3 * size + 7] = 9
        (folder / "train").write_bytes(raw)
        data = VIMHDataModule(folder, 4)
        assert data.image_shape == (3, 4, 5)
        with pytest.raises(DataError, match=r"sample 3 \(byte 220\): parameter id 9 is beyond"):
            data.train_source.take(np.arange(12))

    def test_kinds_of_heads_can_be_chosen(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path)
        data = VIMHDataModule(folder, head_kinds={"note": "bounded_regression"})
        assert data.num_classes == {"note": 1, "decay": 256}
        assert VIMHDataModule(folder, head_kinds="regression").num_classes["decay"] == 1
        with pytest.raises(ConfigError, match="names head 'pitch'"):
            _ = VIMHDataModule(folder, head_kinds={"pitch": "ordinal"}).heads

    def test_different_folders_train_with_one_config(self, home: Path, tmp_path: Path) -> None:
        folder = write_folder(tmp_path, size=(8, 6, 2), counts=(20, 4))
        result = run(
            [
                "experiment=generic_multihead",
                f"data.data_dir={folder}",
                "trainer.max_epochs=1",
                "trainer.accelerator=cpu",
            ]
        )
        assert result.heads == {"note": 256, "decay": 256}
        assert "test/note_loss" in result.metrics


class TestVIMHWriter:
    HEADS = Heads(
        [
            Head("note", 256, kind="ordinal", parameter=Parameter(40, 90, unit="semitones")),
            Head("drum", 4, first=3),
        ]
    )

    @pytest.mark.parametrize("form", ["binary", "pickle"])
    def test_what_is_written_is_read(self, tmp_path: Path, form: str) -> None:
        images = pictures(5, 4, 6, 3)
        codes = {"note": np.array([0, 255, 7, 8, 9]), "drum": np.array([3, 0, 1, 2, 3])}
        with VIMHWriter(tmp_path / "d", self.HEADS, (3, 4, 6), forms=[form]) as writer:
            for split in ("train", "test"):
                writer.write(split, images[:2], {name: c[:2] for name, c in codes.items()})
                writer.write(split, images[2:], {name: c[2:] for name, c in codes.items()})
        data = VIMHDataset(tmp_path / "d", "test")
        got, labels = data.source.take(np.arange(5))
        assert np.array_equal(got, images)
        assert all(np.array_equal(labels[name], codes[name]) for name in codes)
        assert data.heads == self.HEADS

    def test_the_binary_form_is_what_a_plain_writer_writes(self, tmp_path: Path) -> None:
        images = pictures(3, 4, 6, 2)
        codes = {"note": np.array([1, 2, 3]), "drum": np.array([0, 1, 2])}
        spec = np.array([[-80, 0], [-70, 1], [-60, 2]], np.float32)
        with VIMHWriter(tmp_path / "d", self.HEADS, (2, 4, 6)) as writer:
            writer.write("train", images, codes, spec)
        expected = b"".join(
            record(images[i], [(0, i + 1), (1, i)], tuple(spec[i].tolist())) for i in range(3)
        )
        assert (tmp_path / "d" / "train").read_bytes() == expected

    def test_a_classification_counts_from_its_min(self, tmp_path: Path) -> None:
        folder = tmp_path / "vimh-1x1x1_drums"
        write_info(folder, metadata((1, 1, 1), {"drum": DRUM, "note": NOTE}))
        samples = [record(pictures(1, 1, 1, 1)[0], [(0, i), (1, 9)]) for i in range(4)]
        (folder / "train").write_bytes(b"".join(samples))
        data = VIMHDataset(folder)
        assert data.heads.outputs == {"drum": 4, "note": 256}
        assert [labels["drum"] for _, labels in data] == [0, 1, 2, 3]
        assert data.heads["drum"].decode([0, 3]).tolist() == [3, 6]
