"""Decide which columns of a table become heads, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.cells import Column, Table
from multihead.datasets.table.choices import Choice, typed_list
from multihead.datasets.table.choosing import Chosen, chosen_for, decide
from multihead.datasets.table.classes import grouped
from multihead.datasets.table.described import Described
from multihead.datasets.table.heads import make_head
from multihead.datasets.table.known import Known
from multihead.datasets.table.made import Made, WantedHead
from multihead.datasets.table.spelling import shown_pair, written_twice
from multihead.errors import ConfigError, DataError
from multihead.text import one_line

_MANY_BINARY = 10
# Words that are missing labels, but in a column of text also often a class: no finding, negative.
_MAY_BE_A_CLASS = frozenset({"none", "-"})
_FEW_CLASSES = 20


@dataclass(frozen=True)
class Columns:
    """The heads of a table.

    Attributes:
        made: Heads in the order of the columns, then groups of columns.
        described: One description per column.
        notes: Sentences that the user should read.
        breaks: By head name, changes that make its label wrong.
        asked_for: Heads whose kind the user chose.
        names: By column name, the name of its head, also if it does not become one.
    """

    made: tuple[Made, ...]
    described: tuple[Described, ...]
    notes: tuple[str, ...]
    breaks: Mapping[str, frozenset[str]]
    asked_for: frozenset[str]
    names: Mapping[str, str]

    def of_rows(self, rows: NDArray[np.int64]) -> "Columns":
        """Return the heads with the labels of some rows."""
        return replace(
            self, made=tuple(replace(made, labels=made.labels[rows]) for made in self.made)
        )

    def that_teach(self, training: NDArray[np.bool_]) -> "Columns":
        """Leave out heads without training labels, or with the same label in all training rows.

        Args:
            training: Mask of the training rows, bool [N].

        Raises:
            DataError: If the user chose such a head, or no head is left.
        """
        reasons = {made.head.name: _nothing_to_learn(made, training) for made in self.made}
        gone = {name: why for name, why in reasons.items() if why}
        for made in self.made:
            if made.head.name in gone.keys() & self.asked_for:
                raise DataError(
                    f"column {one_line(made.head.shown, 80)!r} cannot be a head: "
                    f"{gone[made.head.name]}; leave it out with "
                    f"data.columns.{made.head.name}=ignore."
                )
        left_out = [made.head for made in self.made if made.head.name in gone]
        found = replace(
            self,
            made=tuple(made for made in self.made if made.head.name not in gone),
            described=tuple(
                replace(row, becomes="ignored", head="", why=gone[row.head])
                if row.head in gone
                else row
                for row in self.described
            ),
            notes=(
                *self.notes,
                *(f"{one_line(h.shown, 60)} is ignored: {gone[h.name]}" for h in left_out),
            ),
        )
        if not found.made:
            raise _no_head(found.described)
        return found


@dataclass
class _Collected:
    """Results that are collected over the columns."""

    levels: int | None = None
    made: list[Made] = field(default_factory=list)
    described: list[Described] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    breaks: dict[str, frozenset[str]] = field(default_factory=dict)
    asked_for: set[str] = field(default_factory=set)

    def add_head(self, made: Made, choice: Choice, *, asked_for: bool) -> None:
        self.made.append(made)
        if choice.breaks is not None:
            self.breaks[made.head.name] = frozenset(choice.breaks)
        if asked_for:
            self.asked_for.add(made.head.name)


def heads_of(
    table: Table,
    choices: Mapping[str, Choice | None],
    roles: Mapping[str, str],
    levels: int | None = None,
) -> Columns:
    """Make heads from the columns of a table.

    Args:
        table: All rows.
        choices: The user's choices by name of a column or head. None ignores the column.
        roles: Role of each column that is not a head: `pictures`, `split` or `group`.
        levels: Default number of levels of heads of numbers. None means regression.

    Raises:
        ConfigError: If a choice names no column, or contradicts a role.
        DataError: If a label does not fit the choice.
    """
    chosen, found = chosen_for(table, choices), _Collected(levels)
    for column in table.columns.values():
        _add_column(found, column, chosen, roles.get(column.name))
    for name in chosen.groups:
        found.add_head(group_of_tags(table, chosen, name), chosen.of_group[name], asked_for=True)
    return Columns(
        tuple(found.made),
        tuple(found.described),
        (*found.notes, *_many_binary(found.made)),
        found.breaks,
        frozenset(found.asked_for),
        chosen.names,
    )


def group_of_tags(table: Table, chosen: Chosen, name: str) -> Made:
    """Make the head of a group of columns."""
    members = chosen.groups[name]
    said = [chosen.of_column.get(member) or Choice() for member in members]
    columns = [table.columns[member] for member in members]
    return grouped(chosen.names[name], name, columns, said)


def _add_column(found: _Collected, column: Column, chosen: Chosen, role: str | None) -> None:
    name = column.name
    choice = chosen.of_column.get(name, Choice())
    asked = name in chosen.of_column and choice is not None
    if role in ("pictures", "split") and asked:
        raise ConfigError(f"data.columns names {name!r}, which is the column of {role}; remove it.")
    known = Known.of(column, choice or Choice())
    missing = len(column.codes) - known.rows
    row = Described(name, "ignored", "", "as chosen", len(known.values), missing)
    group = chosen.group_of(name)
    if group is not None:
        found.described.append(replace(row, becomes=f"tag of {group}"))
    elif role is not None and not asked:
        found.described.append(replace(row, becomes=role, why=""))
    elif choice is None:
        found.described.append(row)
    else:
        _add_head(found, WantedHead(chosen.names[name], known, choice), row)


def _empty_tags(wanted: WantedHead, title: str, key: str) -> list[str]:
    """Return a note on how to make an empty cell mean no tags, which it often means."""
    column = wanted.known.column
    count = int(column.counts()[list(column.values).index("")])
    if "" in wanted.choice.class_texts or not count:
        return []
    return [
        f"{title} has {count:,} empty cells, which are missing labels; if they mean that a picture "
        f"has none of the tags: '{key}.classes=[\"\"]'"
    ]


def _words_for_none(wanted: WantedHead, title: str, key: str) -> list[str]:
    """Return a note on cells such as `none` or `-` that count as missing but may be a class."""
    column, choice, texts = wanted.known.column, wanted.choice, wanted.known.texts
    if not 0 < len(texts) <= _FEW_CLASSES or wanted.known.numbers.are_numbers.all():
        return []
    places = {v: place for place, v in enumerate(column.values) if isinstance(v, str)}
    left_out = {v: place for v, place in places.items() if v.casefold() in _MAY_BE_A_CLASS}
    told = {*choice.class_texts, *choice.missing_texts}
    word = next((v for v in left_out if v not in told), None)
    if word is None:
        return []
    count = int(column.counts()[left_out[word]])
    return [
        f"{title} has {word!r} in {count:,} cells, which are missing labels; if that is a class: "
        f"{typed_list(f'{key}.classes', [word, *texts])}"
    ]


def _add_head(found: _Collected, wanted: WantedHead, row: Described) -> None:
    verdict = decide(wanted.known, wanted.choice)
    key = f"data.columns.{wanted.name}"
    title = one_line(wanted.known.column.name, 60)
    found.notes += [f"{title} {note.replace('{KEY}', key)}" for note in verdict.notes]
    found.notes += _words_for_none(wanted, title, key)
    if verdict.kind is None:
        if wanted.choice.kind is not None:
            raise DataError(f"{wanted.where} cannot be a head: {verdict.why}.")
        found.described.append(replace(row, why=verdict.why))
        return
    if verdict.kind == "multilabel" and "" in wanted.known.column.values:
        found.notes += _empty_tags(wanted, title, key)
    kind, levels = verdict.kind, wanted.choice.levels or found.levels
    if kind in ("regression", "ordinal") and levels is not None and not wanted.choice.classes:
        wanted = replace(wanted, choice=wanted.choice.model_copy(update={"levels": levels}))
        kind = kind if wanted.choice.kind else "ordinal"
    made = make_head(wanted, kind)
    found.notes += _spelling_notes(made, wanted.choice, title)
    found.add_head(made, wanted.choice, asked_for=wanted.choice.kind is not None)
    becomes = made.head.kind.name
    found.described.append(replace(row, head=wanted.name, becomes=becomes, why=verdict.why))


def _spelling_notes(made: Made, choice: Choice, title: str) -> list[str]:
    """Return a note on classes or tags that are probably one, unless the user named them."""
    pairs = [] if choice.classes else written_twice(made.head.kind.class_names(made.head))
    if not pairs:
        return []
    what = "tags" if made.head.kind.label_shape(made.head) else "classes"
    return [
        f"{title} has the {what} {shown_pair(pairs[0])}, which differ only in case or spaces; if "
        f"they are one, write it alike in all rows"
    ]


def _nothing_to_learn(made: Made, training: NDArray[np.bool_]) -> str:
    labels = made.labels[training]
    known = labels[~made.head.kind.is_missing(labels)]
    if not len(known):
        return "no training row has a value"
    if ((known == known[0]) | np.isnan(known)).all():
        return "all training rows that have a value have the same"
    return ""


def _no_head(described: Iterable[Described]) -> DataError:
    ignored = [row for row in described if row.becomes == "ignored"][:10]
    why = "; ".join(f"{one_line(row.column, 60)}: {row.why}" for row in ignored)
    return DataError(
        f"there is no column to predict{f' ({why})' if why else ''}; choose one, such as "
        f"data.columns.NAME.kind=classification."
    )


def _many_binary(made: Iterable[Made]) -> Iterable[str]:
    names = [one_line(m.head.shown, 40) for m in made if m.head.kind.name == "binary"]
    if len(names) >= _MANY_BINARY:
        yield (
            f"{len(names)} columns are a binary head each; as tags of one head: "
            f"data.columns.tags={{columns: [{names[0]}, {names[1]}, ...]}}"
        )
