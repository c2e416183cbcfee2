"""How workers share GPUs, whoever started them."""

from pathlib import Path

import pytest

from multihead.studies.devices import GPU_SHARE_VARIABLE, Places


def _gpu(environment: dict[str, str]) -> str:
    return environment["CUDA_VISIBLE_DEVICES"]


def test_without_gpus_nothing_is_set(tmp_path: Path) -> None:
    assert Places(tmp_path, 1, []).of(0) == {}


def test_commands_that_know_nothing_of_each_other_take_different_gpus(tmp_path: Path) -> None:
    """Containers with a worker each: all would take the first GPU."""
    commands = [Places(tmp_path, 1, ["0", "1", "2"]) for _ in range(3)]
    assert [_gpu(command.of(0)) for command in commands] == ["0", "1", "2"]


def test_a_place_is_kept_until_it_is_given_back(tmp_path: Path) -> None:
    first, second = (Places(tmp_path, 1, ["0", "1"]) for _ in range(2))
    assert [_gpu(first.of(0)), _gpu(second.of(0)), _gpu(first.of(0))] == ["0", "1", "0"]
    first.release()
    assert _gpu(Places(tmp_path, 1, ["0", "1"]).of(0)) == "0"


def test_workers_spread_before_they_share(tmp_path: Path) -> None:
    places = Places(tmp_path, 0.5, ["0", "1"])
    given = [places.of(worker) for worker in range(4)]
    assert [_gpu(each) for each in given] == ["0", "1", "0", "1"]
    assert {each[GPU_SHARE_VARIABLE] for each in given} == {"0.5"}


@pytest.mark.parametrize(("each", "expected"), [(2, ["0,1", "2,3"]), (4, ["0,1,2,3"])])
def test_a_worker_may_have_several_gpus(tmp_path: Path, each: int, expected: list[str]) -> None:
    places = Places(tmp_path, each, ["0", "1", "2", "3"])
    assert [_gpu(places.of(worker)) for worker in range(len(expected))] == expected


def test_workers_beyond_the_places_share_those_there_are(tmp_path: Path) -> None:
    places = Places(tmp_path, 1, ["0"])
    assert [_gpu(places.of(worker)) for worker in range(2)] == ["0", "0"]


def test_fewer_gpus_than_asked_for_are_better_than_none(tmp_path: Path) -> None:
    assert _gpu(Places(tmp_path, 4, ["0"]).of(0)) == "0"
