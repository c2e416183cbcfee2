"""Datasets written whole: equal plans, equal bytes."""

from pathlib import Path

import numpy as np
import pytest

from multihead.datasets.resonator.generate import find_loudest, generate
from multihead.datasets.resonator.plan import Plan
from multihead.errors import ConfigError
from multihead.vimh import read_info, validate
from multihead.vimh.dataset import VIMHDataset

SMALL = Plan(size=48, image=(16, 12, 3))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / SMALL.folder_name
    generate(SMALL, folder, forms=("binary", "pickle"))
    return folder


def test_equal_plans_give_equal_bytes(made: Path, tmp_path: Path) -> None:
    """However many samples are computed at once."""
    again = tmp_path / SMALL.folder_name
    generate(SMALL, again, forms=("binary", "pickle"), batch_size=5)
    assert content(again) == content(made)


def test_another_seed_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    other = Plan(size=SMALL.size, image=SMALL.image, seed=1)
    generate(other, tmp_path / "other")
    assert (tmp_path / "other" / "train").read_bytes() != (made / "train").read_bytes()


def test_the_dataset_is_valid_and_reads_as_planned(made: Path) -> None:
    assert not list(validate(made))
    data = VIMHDataset(made)
    assert len(data) == SMALL.counts["train"]
    assert data.heads == SMALL.heads
    image, labels = data[0]
    assert tuple(image.shape) == (3, 16, 12)
    assert set(labels) == {"note_number", "note_velocity"}


def test_labels_are_the_nearest_levels_of_what_was_played(made: Path) -> None:
    data, notes = VIMHDataset(made, "test"), SMALL.draw("test")
    for i in range(len(data)):
        code = int(data[i][1]["note_number"])
        told = float(data.heads["note_number"].decode(code))
        assert abs(told - notes.note_number[i]) <= 48 / 255 / 2 + 1e-9


def test_louder_notes_have_brighter_pictures(tmp_path: Path) -> None:
    plan = Plan(size=40, image=(32, 32, 1), note=(60, 60), excitation="struck", test_size=1)
    generate(plan, tmp_path / "loudness")
    images, _ = VIMHDataset(tmp_path / "loudness").source.take(np.arange(39))
    order = plan.draw("train").note_velocity.argsort()
    means = images[order].mean(axis=(1, 2, 3))
    assert (np.diff(means) >= 0).all()
    assert means[-1] > 1.5 * means[0]


def test_scale_does_not_depend_on_size_or_seed_and_nothing_exceeds_it() -> None:
    plan = Plan(size=64, image=(16, 12, 1))
    loudest = find_loudest(plan)
    assert loudest == find_loudest(Plan(size=999, seed=7, image=(16, 12, 1)))
    assert -20 < loudest < 20


def test_metadata_tell_how_it_was_made(made: Path) -> None:
    info = read_info(made)
    assert info.name == SMALL.folder_name
    assert info.fixed == SMALL.fixed
    assert set(info.descriptions) == set(SMALL.heads)
    assert info.extra["synthesis"]["seed"] == 0
    assert info.header_bytes == 14


def test_a_dataset_that_is_there_stays(made: Path) -> None:
    before = content(made)
    with pytest.raises(ConfigError, match="exists"):
        generate(SMALL, made)
    assert content(made) == before


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(SMALL, tmp_path / "half", progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_a_folder_named_for_another_size_is_refused(tmp_path: Path) -> None:
    """Readers compare name and metadata."""
    with pytest.raises(ConfigError, match="named for images of 32x32, not of 16x12x3"):
        generate(SMALL, tmp_path / "vimh-32x32_mine")
    assert not list(tmp_path.iterdir())
