"""One contract for every transform, and what each of the shipped ones does."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.data.outside_transforms import Invert, LeftHalf
from torch import Tensor

from multihead.data.transforms import (
    CHANGES,
    TRANSFORMS,
    Augmentation,
    Colour,
    Crop,
    CutMix,
    Erase,
    HorizontalFlip,
    MixUp,
    Pictures,
    RandAugment,
    Rotate,
    Scale,
    Shift,
    Transform,
    VerticalFlip,
)
from multihead.data.transforms.random_numbers import streams, uniform
from multihead.errors import ConfigError
from multihead.runs.trust import check_targets

LARGEST = 1 - 2**-24
MAKERS = {
    **TRANSFORMS,
    "of every colour": partial(Colour, 0.4, 0.4, 0.4, 0.1),
    "invert": Invert,
    "left_half": LeftHalf,
}


@pytest.fixture(params=MAKERS)
def transform(request: pytest.FixtureRequest) -> Transform:
    return MAKERS[request.param]()


def _images(count: int = 6, channels: int = 3, height: int = 7, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def _numbers(transform: Transform, count: int, epoch: int = 0) -> Tensor:
    columns = [("it", n) for n in range(transform.numbers)]
    return uniform(streams(0, [(epoch, *each) for each in columns]), torch.arange(count))


def _shares(pictures: Pictures) -> list[float] | None:
    return None if pictures.share is None else pictures.share.tolist()


# -- the contract --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3, 7, 5), (2, 3, 1, 1), (1, 3, 9, 9), (0, 3, 4, 4)])
def test_images_stay_images_and_those_given_stay_as_they_are(
    transform: Transform, shape: tuple[int, int, int, int]
) -> None:
    images = _images(*shape)
    before = images.clone()
    found = transform.apply(Pictures(images), _numbers(transform, len(images)))
    assert found.images.dtype == torch.uint8
    assert found.images.shape == (max(0, len(images) - transform.mixes), *shape[1:])
    assert torch.equal(images, before)


def test_an_image_becomes_the_same_whatever_is_in_its_batch(transform: Transform) -> None:
    """So neither the size of a batch nor the number of processes matters."""
    images, numbers = _images(), _numbers(transform, 6)
    whole = transform.apply(Pictures(images), numbers)
    for i in range(len(whole.images)):
        part = slice(i, i + 1 + transform.mixes)
        alone = transform.apply(Pictures(images[part]), numbers[part])
        assert torch.equal(alone.images[0], whole.images[i])
        assert _shares(alone) == (None if whole.share is None else [float(whole.share[i])])


def test_images_change_with_their_numbers(transform: Transform) -> None:
    images = _images(40, height=16, width=16)
    found = transform.apply(Pictures(images), _numbers(transform, 40)).images
    assert not torch.equal(found, images[: len(found)])
    if transform.numbers:
        again = transform.apply(Pictures(images), _numbers(transform, 40, epoch=1)).images
        assert not torch.equal(found, again)


@pytest.mark.parametrize("number", [0.0, LARGEST])
@pytest.mark.parametrize("side", [1, 2, 33])
def test_the_least_and_the_largest_numbers_are_allowed(
    transform: Transform, number: float, side: int
) -> None:
    images = _images(3, height=side, width=side)
    found = transform.apply(Pictures(images), torch.full((3, transform.numbers), number))
    assert found.images.shape[1:] == images.shape[1:]
    if found.share is not None:
        assert bool(((found.share >= 0) & (found.share <= 1)).all())


def test_images_need_not_lie_in_one_piece(transform: Transform) -> None:
    images, numbers = _images(), _numbers(transform, 6)
    odd = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    whole, of_odd = (transform.apply(Pictures(each), numbers) for each in (images, odd))
    assert torch.equal(whole.images, of_odd.images)


def test_what_changes_has_a_word(transform: Transform) -> None:
    assert transform.changes
    assert transform.changes <= {*CHANGES, "invert", "left_half"}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_record_may_name_what_is_shipped(name: str) -> None:
    node = {"_target_": f"multihead.data.transforms.{TRANSFORMS[name].__name__}"}
    check_targets({"data": {"augment": {name: node}}}, "the record")


def test_a_record_may_not_name_anothers() -> None:
    node = {"_target_": "tests.data.outside_transforms.Invert"}
    with pytest.raises(ConfigError, match=r"data.augment.mine"):
        check_targets({"data": {"augment": {"mine": node}}}, "the record")


# -- random numbers ------------------------------------------------------------------------


def test_numbers_are_uniform_and_columns_samples_and_epochs_have_nothing_in_common() -> None:
    columns = [[(epoch, "a", 0), (epoch, "a", 1), (epoch, "b", 0)] for epoch in (0, 1)]
    drawn = [uniform(streams(1, each), torch.arange(20_000)) for each in columns]
    table = torch.cat(drawn, 1).double()
    assert float(table.min()) >= 0
    assert float(table.max()) < 1
    every = torch.cat([table, table.roll(1, 0)], 1)  # also a sample and the next
    away = torch.corrcoef(every.T) - torch.eye(12)
    assert float(away.abs().max()) < 0.035  # 5 / sqrt(20,000)
    counts = torch.histc(table[:, 0], 50, 0, 1)
    assert float(((counts - 400) ** 2 / 400).sum()) < 100  # chi squared, 49 degrees


def test_numbers_never_change() -> None:
    """What a run was trained with must be drawn again by later releases."""
    starts = streams(12345, [(3, "shift", 0), (3, "shift", 1)])
    found = uniform(starts, torch.tensor([0, 1, 59_999]))
    assert (found * 2**24).long().tolist() == [
        [11326047, 7842270],
        [4491580, 11383349],
        [7082453, 6651528],
    ]


@pytest.mark.parametrize("probability", [0.5, 0.25])
def test_alternating_flips_mirror_an_image_in_all_even_or_all_odd_epochs(
    probability: float,
) -> None:
    augment = Augmentation({"hflip": HorizontalFlip(probability, alternates=True)}, seed=3)
    images = torch.arange(2, dtype=torch.uint8).view(1, 1, 1, 2).expand(4000, 1, 1, 2)
    epochs = [augment(images, {}, torch.arange(4000), epoch)[0][:, 0, 0, 0] for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    shown = torch.stack([epochs[0], epochs[1]]).sum(0)  # in how many of two epochs it is mirrored
    share = [float((shown == count).float().mean()) for count in range(3)]
    assert share == pytest.approx([1 - 2 * probability, 2 * probability, 0], abs=0.03)


# -- what each does ------------------------------------------------------------------------


def _of(transform: Transform, images: Tensor, *numbers: float) -> Tensor:
    given = torch.tensor(numbers).expand(len(images), -1)
    return transform.apply(Pictures(images), given).images


def test_flips_mirror() -> None:
    images = _images()
    assert torch.equal(_of(HorizontalFlip(), images, 0.1), images.flip(3))
    assert torch.equal(_of(VerticalFlip(), images, 0.1), images.flip(2))
    assert torch.equal(_of(VerticalFlip(), images, 0.9), images)


def test_a_shift_mirrors_what_comes_in() -> None:
    line = torch.arange(8, dtype=torch.uint8).view(1, 1, 1, 8)
    moved = [_of(Shift(0.25), line, 0.5, n).flatten().tolist() for n in (0.0, 0.5, LARGEST)]
    assert moved == [[2, 1, 0, 1, 2, 3, 4, 5], [*range(8)], [2, 3, 4, 5, 6, 7, 6, 5]]


def test_a_crop_enlarges_a_window() -> None:
    line = torch.arange(8, dtype=torch.uint8).view(1, 1, 1, 8)
    assert _of(Crop(0.5), line, 0, 0, 0).flatten().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert _of(Crop(0.5), line, 0, 0, LARGEST).flatten().tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    assert torch.equal(_of(Crop(1.0), line, 0.3, 0.5, 0.5), line)


@pytest.mark.parametrize(("number", "turns"), [(0.0, 1), (LARGEST, -1), (0.5, 0)])
def test_a_quarter_turn_is_exact(number: float, turns: int) -> None:
    images = _images(height=6, width=6)
    assert torch.equal(_of(Rotate(90), images, number), images.rot90(turns, (2, 3)))


def test_scale_enlarges_and_shrinks_around_the_centre() -> None:
    line = torch.arange(8, dtype=torch.uint8).view(1, 1, 1, 8)
    smaller, same, larger = (_of(Scale(2), line, n).flatten().tolist() for n in (LARGEST, 0.5, 0.0))
    assert same == [*range(8)]
    assert larger == [2, 2, 3, 3, 4, 4, 5, 5]
    assert smaller in ([0, 0, 1, 3, 5, 7, 7, 7], [0, 0, 0, 2, 4, 6, 7, 7])


def test_grey_keeps_its_hue_and_saturation() -> None:
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    found = _of(Colour(0, 0, 1, 0.5), grey, 0.5, 0.5, LARGEST, 0.0)
    assert int((found.int() - grey.int()).abs().max()) <= 1


def test_hue_turns_red_towards_green() -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    found = _of(Colour(0, 0, 0, 1 / 3), red, 0, 0, 0, 0.0).flatten().tolist()
    other = _of(Colour(0, 0, 0, 1 / 3), red, 0, 0, 0, LARGEST).flatten().tolist()
    assert {int(np.argmax(found)), int(np.argmax(other))} == {1, 2}


def test_brightness_and_contrast_are_factors() -> None:
    image = torch.tensor([100, 60], dtype=torch.uint8).view(1, 1, 1, 2)
    assert _of(Colour(0.5, 0), image, 0, 0, 0, 0).flatten().tolist() == [50, 30]
    assert _of(Colour(0, 0.5), image, 0, LARGEST, 0, 0).flatten().tolist() == [110, 50]


def test_colours_of_grey_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"colour.hue is 0.1, but images have 1 channels"):
        Augmentation({"c": Colour(hue=0.1)}, 0).check((1, 8, 8))


def test_erasing_covers_the_share_that_was_asked_for() -> None:
    images = torch.full((500, 3, 32, 32), 7, dtype=torch.uint8)
    transform = Erase(1.0, 0.1, 0.3)
    erased = _of_many(transform, images) != 7
    areas = erased.any(1).double().mean((1, 2))
    assert float(areas.min()) > 0.05
    assert float(areas.max()) < 0.35
    assert float(areas.mean()) == pytest.approx(0.2, abs=0.02)


def _of_many(transform: Transform, images: Tensor) -> Tensor:
    return transform.apply(Pictures(images), _numbers(transform, len(images))).images


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_is_a_weighted_mean_with_shares_from_beta(alpha: float) -> None:
    images, transform = _images(4000, 1, 2, 2), MixUp(alpha)
    found, share = transform.apply(Pictures(images), _numbers(transform, 4000))
    assert share is not None
    own = share.view(-1, 1, 1, 1)
    wanted = own * images[:-1] + (1 - own) * images[1:]
    assert float((found - wanted).abs().max()) <= 0.5
    assert float(share.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(share.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.01)


def test_cutmix_counts_the_area_that_is_left() -> None:
    images = torch.arange(200, dtype=torch.uint8).view(-1, 1, 1, 1).expand(200, 3, 9, 12)
    transform = CutMix(probability=0.7)
    found, share = transform.apply(Pictures(images), _numbers(transform, 200))
    assert share is not None
    own = (found == images[:-1]).all(1).double().mean((1, 2))
    torch.testing.assert_close(own.float(), share)
    assert bool(((found == images[:-1]) | (found == images[1:])).all())
    assert 0.2 < float((share == 1).double().mean()) < 0.45  # also boxes without a pixel


def test_rand_augment_of_no_strength_stretches_at_most() -> None:
    images = torch.stack([torch.arange(256, dtype=torch.uint8).view(1, 16, 16)] * 50)
    assert torch.equal(_of_many(RandAugment(strength=0), images), images)


def test_rand_augment_without_operations_of_a_kind_does_not_do_them() -> None:
    images = torch.stack([torch.randperm(256).to(torch.uint8).view(1, 16, 16)] * 60)
    transform = RandAugment(leave_out=["shear", "shift", "rotate"], strength=30)
    assert transform.changes == {"colour"}
    # Places stay: pixels that were equal are equal still.
    found = _of_many(transform, images.clamp(max=100))
    for image, of_it in zip(images.clamp(max=100), found, strict=True):
        assert len(of_it[image == 100].unique()) == 1
    moved = _of_many(RandAugment(leave_out=["colour"], strength=30), images)
    assert {len(set(i.unique().tolist()) - set(range(256))) for i in moved} == {0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(Shift, 0.6), r"shift.share is 0.6; give 0 to 0.5"),
        (partial(Erase, 0.5, 0.4, 0.3), "erase.least is 0.4, more than erase.most"),
        (partial(RandAugment, leave_out=["tilt"]), "rand_augment.leave_out has 'tilt'"),
        (partial(MixUp, 0), "mixup.alpha is 0"),
        (partial(HorizontalFlip, float("nan")), "hflip.probability is nan"),
    ],
)
def test_an_option_outside_its_bounds_is_refused(make: partial, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


# -- several -------------------------------------------------------------------------------


def test_leaving_one_out_changes_nothing_for_the_others() -> None:
    images, labels, samples = _images(height=16, width=16), {"a": torch.arange(6)}, torch.arange(6)
    nothing = HorizontalFlip(probability=0)
    both = Augmentation({"flip": nothing, "shift": Shift()}, 1)(images, labels, samples, 0)
    one = Augmentation({"shift": Shift()}, 1)(images, labels, samples, 0)
    assert torch.equal(both[0], one[0])


def test_two_that_mix_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"by mixup and cutmix; set data.augment.cutmix=null"):
        Augmentation({"mixup": MixUp(), "cutmix": CutMix()}, 0)


class _Wrong(Invert):
    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        return images.float()


def test_a_transform_that_makes_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.augment.mine returns torch.float32"):
        Augmentation({"mine": _Wrong()}, 0).check((1, 4, 4))
