"""`multihead data validate`: check every byte of a dataset, and print every problem."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from multihead.cli.help import examples
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.vimh.validate import Problem

_MOST = 1000


@click.command("validate", epilog=examples("multihead data validate data/vimh-32x32x3_resonator"))
@click.argument("path")
def command(path: str) -> None:
    """Check every byte of the dataset in the folder PATH.

    PATH may also be the address s3://BUCKET/PREFIX of a dataset in shards.

    Each problem is one line on standard output: the file, the sample number and the byte offset
    if they are known, and what is wrong. After 1,000 problems, the rest is only counted. The exit
    code is 0 if the dataset is sound, and 1 if there is a problem.
    """
    count = 0
    for problem in _problems(path):
        count += 1
        if count <= _MOST:
            say(problem)
    if count > _MOST:
        say(f"... and {count - _MOST:,} more")
    found = "sound" if not count else "1 problem" if count == 1 else f"{count:,} problems"
    say(f"{path}: {found}", err=bool(count))
    sys.exit(1 if count else 0)


def _problems(where: str) -> Iterator[str]:
    from multihead.datasets.cifar100mh import read_cifar100mh_info
    from multihead.datasets.formats import CIFAR100MH, open_dataset
    from multihead.errors import DataError
    from multihead.inspection.inspect import chunks
    from multihead.vimh import validate
    from multihead.vimh.info import INFO_FILE
    from multihead.vimh.shard_index import is_sharded
    from multihead.vimh.shard_validate import validate_shards

    if is_sharded(where):
        yield from map(_line, validate_shards(where))
        return
    path = Path(where)
    if (path / INFO_FILE).is_file():
        yield from map(_line, validate(path))
        return
    dataset = open_dataset(path)
    if dataset.layout is CIFAR100MH:
        yield from map(_line, validate(dataset.path, read_cifar100mh_info))
        return
    for split in dataset.splits:
        try:
            source = dataset.read(split)
            for index in chunks(source):
                source.take(index)
        except DataError as error:
            yield str(error)


def _line(problem: "Problem") -> str:
    sample = "" if problem.sample is None else f" sample {problem.sample:,}"
    offset = "" if problem.offset is None else f" byte {problem.offset:,}"
    return f"{problem.file}:{sample}{offset} {problem.message}"
