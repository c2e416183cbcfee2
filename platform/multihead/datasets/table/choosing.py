"""Apply the user's choices to the columns of a table."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from multihead.datasets.table.cells import Table
from multihead.datasets.table.choices import IGNORE, Choice, unknown_key
from multihead.datasets.table.inference import Verdict, infer
from multihead.datasets.table.known import Known
from multihead.datasets.table.made import listed
from multihead.datasets.table.names import head_names
from multihead.errors import ConfigError
from multihead.text import nearest, one_line


@dataclass(frozen=True)
class Chosen:
    """Choices by the names of the table.

    Attributes:
        names: Head names by name of a column or of a group of columns.
        of_column: Choices by column. None ignores the column.
        groups: Columns of each group, by the name of the group.
        of_group: Choices by group.
    """

    names: Mapping[str, str]
    of_column: Mapping[str, Choice | None]
    groups: Mapping[str, Sequence[str]]
    of_group: Mapping[str, Choice]

    def group_of(self, column: str) -> str | None:
        """Return the group that a column is in, or None."""
        return next((name for name, columns in self.groups.items() if column in columns), None)


def chosen_for(table: Table, choices: Mapping[str, Choice | None]) -> Chosen:
    """Find the columns that choices name, by column name or head name.

    Raises:
        ConfigError: If the table does not have a name, or has it twice.
    """
    groups = {name: choice for name, choice in choices.items() if choice and choice.columns}
    for name in groups:
        if name in table.columns:
            raise ConfigError(
                f"data.columns.{name} has columns, but {name!r} is a column itself; give the group "
                f"another name."
            )
    names = head_names([*table.columns, *groups])
    singles = {name: choice for name, choice in choices.items() if name not in groups}
    of_column = _by_column(table, names, singles)
    left_out = {name for name, choice in of_column.items() if choice is None}
    members = {
        name: _members(table, name, choice, names, left_out) for name, choice in groups.items()
    }
    every = [column for columns in members.values() for column in columns]
    twice = sorted({column for column in every if every.count(column) > 1})
    if twice:
        raise ConfigError(f"column {twice[0]!r} is in two groups of data.columns; keep one.")
    for name, columns in members.items():
        for column in columns:
            of_column |= _of_member(column, of_column.get(column), name, groups[name])
    return Chosen(names, of_column, members, groups)


def check_keys(table: Table, given: Iterable[str]) -> None:
    """Check that names with a dot are columns, and not a column and a key that does not exist.

    Args:
        table: The table.
        given: Names in `data.columns`. What follows the last dot is a part of the name, unless it
            is a key of `Choice`.

    Raises:
        ConfigError: If a name is that of a column or group, a dot and an unknown key.
    """
    written = [str(name) for name in given]
    names = {*table.columns, *head_names(table.columns).values(), *written}
    for name in written:
        column, dot, key = name.rpartition(".")
        if dot and column in names and name not in table.columns:
            raise unknown_key(key, f"data.columns.{one_line(column, 80)}")


def ignored(table: Table, given: Mapping[str, object]) -> set[str]:
    """Return the columns that `data.columns` ignores, by column name or head name."""
    names = head_names(table.columns)
    said = {str(name) for name, choice in given.items() if choice == IGNORE}
    return {column for column in table.columns if {column, names[column]} & said}


def decide(known: Known, choice: Choice) -> Verdict:
    """Return what a column becomes: the user's choice, or what its cells suggest."""
    if not known.rows:
        return Verdict(None, "no row has a value")
    if choice.kind is not None:
        return Verdict(choice.kind, "as chosen")
    if choice.levels is not None:
        return Verdict("ordinal", "as chosen")
    if choice.is_number:
        return Verdict("regression", "as chosen")
    if choice.classes:
        found = infer(known).kind
        fits = found == "multilabel" or (found == "binary" and len(choice.classes) == 2)
        return Verdict(found if fits else "classification", "as chosen")
    return infer(known)


def _by_column(
    table: Table, names: Mapping[str, str], choices: Mapping[str, Choice | None]
) -> dict[str, Choice | None]:
    of_head = {names[name]: name for name in table.columns}
    found: dict[str, Choice | None] = {}
    for wanted, choice in choices.items():
        name = wanted if wanted in table.columns else of_head.get(wanted)
        if name is None:
            raise ConfigError(
                f"data.columns names {one_line(wanted, 80)!r}{nearest(wanted, table.columns)}, but "
                f"{one_line(table.path.name)} has the columns {listed(list(table.columns))}; "
                f"remove it, or say which columns it joins with columns: [...]."
            )
        if name in found:
            raise ConfigError(f"data.columns names column {name!r} twice; keep one.")
        found[name] = choice
    return found


def _of_member(
    column: str, choice: Choice | None, name: str, group: Choice
) -> dict[str, Choice | None]:
    """Return the choice of a column of a group, with the missing cells of the group.

    Raises:
        ConfigError: If the column has a choice that a tag does not have.
    """
    own = choice or Choice()
    plain = Choice(kind="binary") if own.kind == "binary" else Choice()
    others = set(Choice.model_fields) - {"classes", "missing"}
    given = sorted(key for key in others if getattr(own, key) != getattr(plain, key))
    if given:
        key, where = given[0], f"data.columns.{one_line(column, 80)}"
        raise ConfigError(
            f"{where}.{key} is given, but the column is a tag of data.columns.{name}; a tag takes "
            f"only classes and missing. Remove it, or give it to data.columns.{name}."
        )
    if not group.missing:
        return {} if choice is None else {column: choice}
    return {column: own.model_copy(update={"missing": (*own.missing, *group.missing)})}


def _members(
    table: Table, name: str, choice: Choice, names: Mapping[str, str], left_out: Collection[str]
) -> list[str]:
    """Return the columns of a group, without ignored ones.

    Those of a pattern are in the order of the table.
    """
    found: list[str] = []
    for pattern in choice.columns:
        matching = [
            column
            for column in table.columns
            if pattern in (column, names[column]) or fnmatchcase(column, pattern)
        ]
        if not matching:
            raise ConfigError(
                f"data.columns.{name}.columns names {pattern!r}{nearest(pattern, table.columns)}, "
                f"but {one_line(table.path.name)} has the columns {listed(list(table.columns))}."
            )
        kept = [column for column in matching if column not in left_out]
        if not kept:
            raise ConfigError(
                f"data.columns.{name}.columns names {pattern!r}, which data.columns ignores; "
                f"remove one of the two."
            )
        found += [column for column in kept if column not in found]
    return found
