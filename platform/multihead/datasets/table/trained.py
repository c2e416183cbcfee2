"""Read the columns of a table as the heads of a trained network.

Nothing is inferred. Classes, ranges of levels and the order of tags are those of the network. So a
network can be tested on another table with the same columns.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.datasets.table.cells import Column, Table
from multihead.datasets.table.choices import Choice
from multihead.datasets.table.choosing import Chosen, chosen_for
from multihead.datasets.table.columns import Columns, group_of_tags
from multihead.datasets.table.heads import make_head
from multihead.datasets.table.known import Known
from multihead.datasets.table.made import Made, WantedHead, listed
from multihead.datasets.table.names import head_names
from multihead.datasets.table.units import one_micro
from multihead.errors import DataError
from multihead.heads import Head, Heads
from multihead.text import one_line


def that_apply(table: Table, choices: Mapping[str, Choice | None]) -> dict[str, Choice | None]:
    """Return the choices that name a column of the table, or join columns."""
    there = {*table.columns, *head_names(table.columns).values()}
    return {n: said for n, said in choices.items() if n in there or (said and said.columns)}


def as_trained(
    table: Table,
    choices: Mapping[str, Choice | None],
    roles: Mapping[str, str],
    found: Columns,
    heads: Heads,
) -> Columns:
    """Return the heads of a network with the labels of a table, and other columns as inferred.

    Args:
        table: All rows.
        choices: The user's choices for columns.
        roles: Role of each column that is not a head.
        found: The inferred columns.
        heads: Heads of the network. A head without a column has no labels, and a note says so.

    Raises:
        DataError: If the network does not know a label, or there are no labels.
    """
    chosen = chosen_for(table, choices)
    made, notes, columns = [], [], {}
    for head in heads.values():
        labels, column, note = _labels(table, chosen, roles, head)
        made.append(Made(head, labels))
        notes += [note] if note else []
        if column:
            columns[column] = head
    if all(each.head.kind.is_missing(each.labels).all() for each in made):
        wanted = listed([head.shown for head in heads.values()])
        raise DataError(
            f"{one_line(table.path.name)} has no label of {wanted}, which the run predicts; its "
            f"columns are {listed(list(table.columns))}."
        )
    others = [each for each in found.made if each.head.name not in heads]
    described = (
        replace(row, becomes=columns[row.column].kind.name, head=columns[row.column].name)
        if row.column in columns
        else row
        for row in found.described
    )
    return replace(
        found,
        made=(*made, *others),
        described=tuple(
            replace(row, why="as the run has it") if row.column in columns else row
            for row in described
        ),
        notes=tuple(notes),
    )


def _labels(
    table: Table, chosen: Chosen, roles: Mapping[str, str], head: Head
) -> tuple[NDArray[Any], str, str]:
    """Return the labels of a head, [N, ...], their column, and a note or an empty text."""
    group = next((name for name in chosen.groups if chosen.names[name] == head.name), None)
    if group is not None:
        return *_of_tags(group_of_tags(table, chosen, group), head), ""
    column = _column_of(table, chosen, roles, head)
    said = chosen.of_column.get(column.name) if column else None
    if column is not None:
        choice = _choice(head, said or Choice())
        wanted = WantedHead(head.name, Known.of(column, choice), choice)
        if wanted.known.rows:
            _check_unit(wanted, head)
            return make_head(wanted, str(choice.kind)).labels, column.name, ""
    name = one_line(head.shown, 60)
    why = "has no value of" if column else "has no column"
    note = f"{one_line(table.path.name)} {why} {name!r}, so this head is not tested"
    return head.kind.absent(head, table.count), "" if column is None else column.name, note


def _column_of(table: Table, chosen: Chosen, roles: Mapping[str, str], head: Head) -> Column | None:
    named = [head.shown] if head.shown in table.columns else []
    named += [name for name in table.columns if chosen.names[name] == head.name]
    return next((table.columns[name] for name in named if name not in roles), None)


def _check_unit(wanted: WantedHead, head: Head) -> None:
    """Check that numbers have the unit of the run, as they are compared without conversion.

    As in training, a unit that the user gives overrides the unit in the cells.

    Raises:
        DataError: If the units differ. The message has both.
    """
    unit = wanted.known.numbers.unit if head.has_range else ""
    if unit and head.unit and unit != one_micro(head.unit) and not wanted.choice.unit:
        raise DataError(
            f"{wanted.where} is in {unit!r}, but the run predicts {head.unit!r}; convert the "
            f"column, or declare the same unit with data.columns.{head.name}.unit='{unit}'."
        )


def _choice(head: Head, said: Choice) -> Choice:
    """Return the choice that gives the labels of a head."""
    kind, parameter = head.kind, head.parameter
    names = kind.class_names(head)
    given: dict[str, Any]
    if kind.label_shape(head):
        no_tags = tuple(
            text for text in said.class_texts if not text
        )  # then an empty cell is a label
        given = {"kind": "multilabel", "classes": (*no_tags, *names)}
    elif np.isnan(kind.missing_number):
        given = {"kind": "regression", "classes": (), "range": None, "levels": None}
    elif parameter is not None and not head.classes:
        ends = (parameter.minimum, parameter.maximum)
        spaced = {"levels": parameter.levels, "log": parameter.scale == "log"}
        given = {"kind": "ordinal", "classes": (), "range": ends, **spaced}
    elif parameter is not None:
        given = {"kind": "ordinal", "classes": names}
    else:
        numbers = range(head.first, head.first + head.num_classes)
        given = {"kind": "classification", "classes": head.classes or tuple(map(str, numbers))}
    return said.model_copy(update=given)


def _of_tags(made: Made, head: Head) -> tuple[NDArray[Any], str]:
    """Return labels of tags in the places that the network has them; a tag not there is untold."""
    tags = made.head.kind.class_names(made.head)
    labels = head.kind.absent(head, len(made.labels))
    for place, tag in enumerate(head.kind.class_names(head)):
        if tag in tags:
            labels[:, place] = made.labels[:, tags.index(tag)]
    return labels, ""
