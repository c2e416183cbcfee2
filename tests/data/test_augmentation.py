"""A training image is changed as (seed, epoch, sample) say, whatever loads it and with whom."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.outside_transforms import Invert, LeftHalf
from tests.shards import write_shards
from torch import Tensor

from multihead import Head, Heads, MultiheadDataModule, Source
from multihead.data.loader import Loading, make_loader
from multihead.data.ranks import Ranks
from multihead.data.source import Split
from multihead.data.transforms import Crop, CutMix, HorizontalFlip, MixUp, Shift, Transform
from multihead.data.transforms.breaks import merged_breaks
from multihead.datasets.digits import digits
from multihead.datasets.resonator.breaks import with_breaks
from multihead.datasets.vimh_stream import vimh_stream
from multihead.errors import ConfigError
from multihead.heads.kinds.angle import Angle

COUNT = 23
SHIFTED: Mapping[str, Transform] = {"shift": Shift(0.5), "mine": Invert()}
MIXED: Mapping[str, Transform] = {"shift": Shift(0.5), "mixup": MixUp(1.0)}


def _source(breaks: Mapping[str, frozenset[str]] | None = None) -> Source:
    images = np.random.default_rng(0).integers(0, 256, (COUNT + 5, 1, 6, 6)).astype(np.uint8)
    labels = {"number": np.arange(COUNT + 5), "side": np.arange(COUNT + 5) % 2}
    heads = Heads([Head("number", COUNT + 5), Head("side", 2)])
    return Source("numbers", images, labels, heads, (0.0,), (1.0,), breaks=breaks or {})


def _data(augment: Mapping[str, Transform] | None, **options: object) -> MultiheadDataModule:
    source = options.pop("of", _source())
    settings = {"batch_size": 4, "train_val_test_split": [COUNT, 5, 0], "seed": 3, **options}
    return MultiheadDataModule(
        source=lambda *_: source, multihead=True, augment=augment, **settings
    )


def _epoch(data: MultiheadDataModule, epoch: int = 2, first: int = 0) -> dict[int, list[Tensor]]:
    """Image and, where it is mixed, the other's number and the share, by the sample's number."""
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    loader.load_state_dict({"next_batch": first})
    return _by_number(loader)


def _by_number(loader: object) -> dict[int, list[Tensor]]:
    found: dict[int, list[Tensor]] = {}
    for images, labels, *mixed in loader:
        parts = [images] if not mixed else [images, mixed[0].labels["number"], mixed[0].share]
        for place, number in enumerate(labels["number"].tolist()):
            found[number] = [part[place] for part in parts]
    return found


def _assert_same(ours: dict[int, list[Tensor]], theirs: dict[int, list[Tensor]]) -> None:
    assert ours.keys() == theirs.keys()
    for number, parts in theirs.items():
        for mine, other in zip(ours[number], parts, strict=True):
            assert torch.equal(mine, other), number


@pytest.fixture(params=[SHIFTED, MIXED], ids=["alone", "mixed"])
def augment(request: pytest.FixtureRequest) -> Mapping[str, Transform]:
    return request.param


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 7},
        {"batch_size": 2},  # 23 samples: the last joins the batch before
        {"memory_budget_mb": 0},
        {"memory_budget_mb": 0, "num_workers": 1, "batch_size": 5},
    ],
)
def test_neither_batch_size_nor_loader_changes_an_image(
    augment: Mapping[str, Transform], options: dict[str, object]
) -> None:
    _assert_same(_epoch(_data(augment, **options)), _epoch(_data(augment)))


@pytest.mark.parametrize("budget", [0, 1])
def test_two_processes_see_what_one_does(augment: Mapping[str, Transform], budget: int) -> None:
    """Also the last of a process's part is mixed with the first of the other's."""
    parts: dict[int, list[Tensor]] = {}
    for rank in range(3):  # of batches of 4, so that parts are of different sizes
        data = _data(augment, memory_budget_mb=budget)
        data.ranks = Ranks(rank, 3)
        parts |= _epoch(data)
    _assert_same(parts, _epoch(_data(augment)))


@pytest.mark.parametrize("budget", [0, 1])
def test_an_epoch_goes_on_with_the_same_images(
    augment: Mapping[str, Transform], budget: int
) -> None:
    data = _data(augment, memory_budget_mb=budget)
    whole, rest = _epoch(data), _epoch(data, first=2)
    assert len(rest) == COUNT - 8
    _assert_same(rest, {number: whole[number] for number in rest})


def test_an_image_is_mixed_with_the_next_of_the_epoch_and_the_last_with_the_first() -> None:
    data = _data({"mine": LeftHalf()})
    found, loader = _epoch(data), data.train_dataloader()
    loader.batch_sampler.set_epoch(2)
    order = data.train_indices[loader.batch_sampler.order().numpy()].tolist()
    others = [int(found[number][1]) for number in order]
    assert others == [*order[1:], order[0]]
    images = torch.from_numpy(data.train_source.images).float() / 255
    for number, other in zip(order, others, strict=True):
        assert torch.allclose(found[number][0][..., :3], images[other][..., :3])
        assert torch.allclose(found[number][0][..., 3:], images[number][..., 3:])


def test_epochs_and_seeds_differ() -> None:
    images = [
        torch.stack([v[0] for _, v in sorted(_epoch(_data(SHIFTED), e).items())]) for e in (0, 1)
    ]
    assert not torch.equal(*images)
    split = {"train_val_test_split": [COUNT + 5, 0, 0]}
    ours, theirs = (_epoch(_data(SHIFTED, seed=s, **split)) for s in (0, 1))
    assert any(not torch.equal(ours[n][0], theirs[n][0]) for n in ours)


def test_validation_and_test_images_stay_as_they_are() -> None:
    plain, changed = _data(None), _data(SHIFTED, train_val_test_split=[COUNT, 5, 4])
    for ours, theirs in zip(plain.val_dataloader(), changed.val_dataloader(), strict=True):
        assert torch.equal(ours[0], theirs[0])
    ((images, labels),) = changed.test_dataloader()
    wanted = torch.from_numpy(_source().images[labels["number"]]).float() / 255
    torch.testing.assert_close(images, wanted)


def test_images_are_changed_before_they_are_normalised() -> None:
    given = {"mean": [0.5], "std": [0.25]}
    plain, normalised = (_epoch(_data(SHIFTED, **o)) for o in ({}, {"normalize": given}))
    for number, (image,) in plain.items():
        torch.testing.assert_close(normalised[number][0], (image - 0.5) / 0.25)


# -- shards --------------------------------------------------------------------------------


def _streamed(folder: Path, augment: Mapping[str, Transform], **options: object) -> dict:
    data = MultiheadDataModule(
        folder, source=vimh_stream, multihead=True, augment=augment, shuffle_rows=16, seed=3,
        **{"batch_size": 6, **options},
    )  # fmt: skip
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(2)
    found = {}
    for images, labels, *mixed in loader:
        others = mixed[0].labels["low"] if mixed else labels["low"]
        for place, row in enumerate(labels["low"].tolist()):
            found[row] = [images[place], others[place]]
    return found


def test_a_stream_changes_a_row_as_it_would_be_changed_in_memory(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    streamed = _streamed(folder, SHIFTED)
    source = vimh_stream(folder, "train")
    images, labels = source.take(np.arange(50))
    whole = Source("rows", images, labels, source.heads, source.mean, source.std)
    data = MultiheadDataModule(
        source=lambda *_: whole, multihead=True, augment=SHIFTED, seed=3,
        train_val_test_split=[50, 0, 0],
    )  # fmt: skip
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(2)
    resident = {
        row: image
        for images, labels in loader
        for row, image in zip(labels["low"].tolist(), images, strict=True)
    }
    assert len(streamed) == 45
    for row, (image, _) in streamed.items():
        assert torch.equal(image, resident[row])


def test_a_stream_mixes_within_a_batch_and_threads_change_nothing(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    one, ahead = (_streamed(folder, MIXED, num_workers=n) for n in (0, 2))
    _assert_same(one, ahead)
    assert sorted(int(other) for _, other in one.values()) == sorted(one)


def test_a_loader_of_ones_own_that_changes_nothing_is_refused() -> None:
    """Otherwise it would train on images as they are, without a word."""

    class Own(Source):
        def loader(self, index: np.ndarray, loading: Loading) -> object:
            plain = {f: getattr(self, f) for f in ("name", "images", "labels", "heads", "mean")}
            source = Source(**plain, std=self.std)
            return make_loader(source, index, replace(loading, augment=None))

    plain = _source()
    own = Own(plain.name, plain.images, plain.labels, plain.heads, plain.mean, plain.std)
    with pytest.raises(ConfigError, match="a ResidentLoader, which does not support transforms"):
        _data(SHIFTED, of=own).train_dataloader()


# -- labels that a change makes wrong ------------------------------------------------------

FLIPPED = {"side": frozenset(["hflip"])}


def test_a_transform_that_breaks_a_label_is_refused() -> None:
    data = _data({"hflip": HorizontalFlip()}, of=_source(FLIPPED))
    message = r"^data.augment.hflip changes the image, but not the labels of head 'side', "
    with pytest.raises(ConfigError, match=message):
        data.train_dataloader()


def test_one_that_is_to_be_left_out_is_left_out_and_that_is_said() -> None:
    both = {"shift": Shift(), "hflip": HorizontalFlip(where_allowed=True)}
    data = _data(both, of=_source(FLIPPED))
    assert list(data.augmentation.transforms) == ["shift"]
    assert data.notes == ("hflip is left out, because it would make side wrong",)


@pytest.mark.parametrize(
    ("said", "kept"), [({}, False), ({"turn": frozenset(["hue"])}, True), ({"turn": None}, True)]
)
def test_a_flip_breaks_an_angle_unless_the_data_say_what_does(said: dict, kept: bool) -> None:
    """A hue is an angle as well, and not wrong after a flip."""
    plain, given = _source(), {"turn": None} if None in said.values() else None
    labels = {**plain.labels, "turn": np.zeros(len(plain), np.float32)}
    heads = Heads([*plain.heads.values(), Head("turn", kind=Angle())])
    breaks = {} if given else said
    source = replace(plain, labels=labels, heads=heads, breaks=breaks)
    flip = {"hflip": HorizontalFlip(where_allowed=True)}
    data = _data(flip, of=source, breaks=given)
    assert (data.augmentation is not None) == kept
    assert data.notes == (() if kept else ("hflip is left out, because it would make turn wrong",))


def test_a_head_that_is_not_trained_breaks_nothing() -> None:
    data = _data({"hflip": HorizontalFlip()}, of=_source(FLIPPED), only_heads=["number"])
    assert data.augmentation is not None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, {"side": {"hflip"}}),
        ({"side": None}, {"side": set()}),
        ({"side": ["crop"], "number": ["hflip"]}, {"side": {"hflip", "crop"}, "number": {"hflip"}}),
    ],
)
def test_what_is_given_adds_to_what_the_data_say_or_removes_it(given: dict, found: dict) -> None:
    assert merged_breaks(FLIPPED, given) == found


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        ({"sides": ["hflip"]}, r"data.breaks names head 'sides', but numbers has the heads"),
        ({"side": "hflip"}, r"data.breaks.side is 'hflip'; give a list, \[hflip\]"),
        (
            {"side": ["hfilp"]},
            "names the change 'hfilp' for head 'side', but no transform makes it; choose from",
        ),
    ],
)
def test_breaks_that_would_protect_nothing_are_refused(breaks: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _data(SHIFTED, breaks=breaks).train_dataloader()


def test_a_word_of_ones_own_transform_protects_a_label() -> None:
    with pytest.raises(
        ConfigError, match=r"data.augment.mine changes the image \(invert\), but not"
    ):
        _data(SHIFTED, breaks={"side": ["invert"]}).train_dataloader()


def test_what_is_no_transform_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.augment.mine is a int; name the _target_"):
        _data({"mine": 3})


def test_maps_of_a_label_break_with_it(tmp_path: Path) -> None:
    data = MultiheadDataModule(tmp_path, source=digits, multihead=True)
    assert set(data.train_source.breaks) == {"digit", "thickness", "smoothness"}
    assert all("hflip" in each for each in data.train_source.breaks.values())


@pytest.mark.parametrize("split", ["train", "test"])
def test_shipped_digits_break_when_they_are_mirrored(tmp_path: Path, split: Split) -> None:
    assert digits(tmp_path, split).breaks["digit"] == {"hflip", "vflip"}


def test_spectrograms_of_synthesised_strings_keep_their_places() -> None:
    source = _source()
    heads = Heads([Head("note_number", COUNT + 5)])
    labels = {"note_number": source.labels["number"]}
    named = Source("vimh_resonator_2p", source.images, labels, heads, (0.0,), (1.0,))
    assert {"shift", "crop", "vflip"} <= with_breaks(named).breaks["note_number"]
    both = {"crop": Crop(where_allowed=True), "cutmix": CutMix()}
    data = _data(both, of=with_breaks(named))
    assert list(data.augmentation.transforms) == ["cutmix"]
