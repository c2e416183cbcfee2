"""Every row once, in an order that depends on (seed, epoch) alone and can be taken up anywhere."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tests.shards import all_rows, write_shards

from multihead.errors import CheckpointError, DataError
from multihead.vimh.stream.loader import StreamLoader
from multihead.vimh.streamed import StreamedSource, streamed_source


@pytest.fixture
def source(tmp_path: Path) -> StreamedSource:
    return streamed_source(write_shards(tmp_path / "set"), "train")


def _loader(source: StreamedSource, **options: object) -> StreamLoader:
    given = {"batch_size": 6, "seed": 1, "shuffle_rows": 20, **options}
    return StreamLoader(source, np.arange(len(source)), **given)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize(("batch_size", "shuffle_rows"), [(1, 7), (6, 1), (49, 20), (64, 1000)])
def test_an_epoch_holds_every_row_once(
    source: StreamedSource, batch_size: int, shuffle_rows: int, threads: int
) -> None:
    loader = _loader(source, batch_size=batch_size, shuffle_rows=shuffle_rows, num_workers=threads)
    batches = all_rows(loader)
    assert sorted(chain(*batches)) == list(range(50))
    assert len(batches) == len(loader)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_the_order_depends_on_seed_and_epoch_and_not_on_the_threads(
    source: StreamedSource,
) -> None:
    def order(epoch: int, **options: object) -> list[list[int]]:
        loader = _loader(source, **options)
        loader.batch_sampler.set_epoch(epoch)
        return all_rows(loader)

    first = order(3)
    assert first == order(3, num_workers=1) == order(3, num_workers=4)
    assert first != order(4)
    assert first != order(3, seed=2)


def test_an_order_that_repeats_is_that_of_the_first_epoch(source: StreamedSource) -> None:
    loader = _loader(source)
    first = all_rows(loader)
    loader.batch_sampler.repeats = True
    loader.batch_sampler.set_epoch(4)
    assert all_rows(loader) == first


def test_without_a_seed_rows_come_in_their_own_order(source: StreamedSource) -> None:
    assert list(chain(*all_rows(_loader(source, seed=None)))) == list(range(50))


def test_a_part_holds_its_rows_alone(source: StreamedSource) -> None:
    part = np.array([0, 3, 4, 5, 7, 8, 9, 30, 49])
    for seed in (None, 5):
        loader = StreamLoader(source, part, batch_size=4, seed=seed, shuffle_rows=4)
        assert sorted(chain(*all_rows(loader))) == part.tolist()


@pytest.mark.parametrize("threads", [0, 2])
def test_an_interrupted_epoch_goes_on_at_the_next_batch(
    source: StreamedSource, threads: int
) -> None:
    whole = all_rows(_loader(source))
    for done in range(len(whole)):
        loader = _loader(source, num_workers=threads)
        batches = iter(loader)
        for _ in range(done):
            next(batches)
        state = loader.state_dict()
        resumed = _loader(source, num_workers=threads)
        resumed.load_state_dict(state)
        assert all_rows(resumed) == whole[done:]
        assert all_rows(resumed) == whole


def test_the_epoch_may_be_told_after_the_iterator_is_made(source: StreamedSource) -> None:
    """As Lightning does where it resumes within an epoch."""
    one, other = _loader(source), _loader(source)
    one.batch_sampler.set_epoch(2)
    batches = iter(other)
    other.batch_sampler.set_epoch(2)
    assert all_rows(one) == all_rows(batches)


def test_what_would_change_the_rest_of_an_epoch_is_refused_within_it(
    source: StreamedSource,
) -> None:
    loader = _loader(source)
    next(iter(loader))
    with pytest.raises(CheckpointError, match="with batch_size 6, but batch_size is now 7"):
        _loader(source, batch_size=7).load_state_dict(loader.state_dict())
    with pytest.raises(CheckpointError, match="with world_size 1, but world_size is now 2"):
        _loader(source, world_size=2).load_state_dict(loader.state_dict())
    ended = _loader(source)
    list(ended)
    _loader(source, batch_size=7).load_state_dict(ended.state_dict())


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_train_on_different_rows_and_make_the_same_number_of_steps(
    source: StreamedSource, world_size: int
) -> None:
    ranks = [_loader(source, rank=r, world_size=world_size) for r in range(world_size)]
    shares = [all_rows(loader) for loader in ranks]
    rows = list(chain(*chain(*shares)))
    assert len(rows) == len(set(rows)) == 50 - 50 % world_size
    assert len({tuple(len(batch) for batch in share) for share in shares}) == 1
    assert len({len(loader) for loader in ranks}) == 1


def test_rows_left_over_by_ranks_are_others_in_each_epoch(source: StreamedSource) -> None:
    ranks = [_loader(source, rank=r, world_size=3) for r in range(3)]
    missing = set()
    for epoch in range(6):
        for loader in ranks:
            loader.batch_sampler.set_epoch(epoch)
        rows = set(chain(*chain(*(all_rows(loader) for loader in ranks))))
        missing.add(frozenset(range(50)) - rows)
    assert len(missing) > 1


@pytest.mark.parametrize("world_size", [2, 3, 4, 60])
def test_ranks_evaluate_every_row_once(source: StreamedSource, world_size: int) -> None:
    shares = [
        list(chain(*all_rows(_loader(source, seed=None, rank=r, world_size=world_size))))
        for r in range(world_size)
    ]
    assert list(chain(*shares)) == list(range(50))
    sizes = {len(share) for share in shares}
    assert max(sizes) - min(sizes) <= 1
    ranks = [_loader(source, seed=None, rank=r, world_size=world_size) for r in range(world_size)]
    assert len({len(list(loader)) for loader in ranks}) == 1


def test_a_damaged_label_is_told_when_it_is_read(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    with (folder / "train-00002").open("r+b") as file:
        file.seek(3 * 15 + 7 + 2)
        file.write(b"\x09")
    source = streamed_source(folder, "train")
    for threads in (0, 2):
        with pytest.raises(DataError, match=r"train-00002: sample 3 \(byte 54\): parameter id 9"):
            list(_loader(source, num_workers=threads))


@pytest.mark.parametrize("threads", [0, 2])
def test_a_shard_cut_or_lost_while_it_is_read_is_one_line(
    source: StreamedSource, threads: int
) -> None:
    folder = Path(source.file.path)
    (folder / "train-00003").write_bytes(b"123")
    with pytest.raises(DataError, match=r"train-00003 was cut to 3 bytes .* write it again"):
        list(_loader(source, num_workers=threads))
    (folder / "train-00003").unlink()
    with pytest.raises(DataError, match="train-00003 cannot be read: No such file"):
        list(_loader(source, num_workers=threads))
