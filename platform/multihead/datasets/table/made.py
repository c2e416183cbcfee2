"""Common code of all kinds for making a head from a column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from multihead.datasets.table.choices import Choice, typed_list
from multihead.datasets.table.inference import MOST_CLASSES
from multihead.datasets.table.known import Known
from multihead.errors import DataError
from multihead.heads import Head
from multihead.text import one_line


@dataclass(frozen=True)
class Made:
    """A head and its labels.

    Attributes:
        head: The head. Its title is the column's name, if the two differ.
        labels: Labels [N, ...], of the kind's type.
    """

    head: Head
    labels: NDArray[Any]


@dataclass(frozen=True)
class WantedHead:
    """A column that becomes a head.

    Attributes:
        name: Name of the head.
        known: The labels.
        choice: The user's choice for the column.
    """

    name: str
    known: Known
    choice: Choice

    @property
    def title(self) -> str:
        """The column's own name, where the head's is another."""
        return "" if self.known.column.name == self.name else self.known.column.name

    @property
    def where(self) -> str:
        """The column's name for messages."""
        return f"column {one_line(self.known.column.name, 80)!r}"

    def with_labels(self, head: Head, labels: NDArray[Any]) -> Made:
        """Return the head with the label of each row.

        Args:
            head: The head.
            labels: Labels by distinct cell, [V, ...].
        """
        return Made(head, self.known.spread(labels, head.kind.missing_number))

    def refuse(self, places: Sequence[int], why: str, advice: str) -> DataError:
        """Return an error about some labels. Its message names the first row.

        Args:
            places: Indices of distinct cells, one or more.
            why: The reason, with `{IS}` for is or are.
            advice: What the user can do, other than to name them missing.
        """
        texts = [one_line(self.known.texts[place], 60) for place in places]
        rows = int(self.known.counts[list(places)].sum())
        row = f"in row {self.known.row_of(places[0]):,}"
        more = f" and {listed(texts[1:])} ({rows:,} rows in all)" if len(texts) > 1 else ""
        said = why.replace("{IS}", "are" if more else "is")
        them = "them" if more else "it"
        override = typed_list(f"data.columns.{self.name}.missing", texts)
        return DataError(
            f"{self.where} has {texts[0]!r} {row}{more}, {said}; {advice}, or name {them} missing: "
            f"{override}."
        )

    def check_count(self, count: int, what: str = "classes", least: int = 2) -> None:
        """Check the number of classes or tags.

        Raises:
            DataError: If there are too few or too many. The message has the bounds.
        """
        if not least <= count <= MOST_CLASSES:
            raise DataError(
                f"{self.where} has {count:,} {what}; {least} to {MOST_CLASSES:,} are possible. "
                f"data.columns.{self.name}=ignore leaves it out."
            )


def listed(names: Sequence[str]) -> str:
    """Return the first few names as text for a message."""
    return ", ".join(repr(one_line(name, 60)) for name in names[:20]) + (
        ", ..." if len(names) > 20 else ""
    )
