"""What every engine does."""

from collections.abc import Collection
from typing import Protocol


class Engine(Protocol):
    """Starts the workers of a study, and starts them again when they die.

    A worker is a process of `multihead.studies.worker`. It ends by itself when nothing is left, or
    when the study is asked to stop; what a dead one was at, others go on with.

    Attributes:
        note: What people should know now, such as that workers wait for a place; mostly empty.
    """

    note: str

    def start(self) -> None:
        """Have the study's number of workers at work; those that already are stay.

        Raises:
            MultiheadError: If they cannot be started.
        """

    def look(self, silent: Collection[str], ended: int) -> bool:
        """Replace workers that died and kill those that fell silent.

        Args:
            silent: Where they are, as `registry.place_of` tells.
            ended: Number of the study's trials that have ended.

        Returns:
            Whether any worker is at work, or waits for a place.

        Raises:
            StoreError: If workers die again and again without a trial ending.
        """

    def interrupt(self) -> None:
        """Ask all workers to end now, with checkpoints; called from a signal's handler."""

    def end(self) -> None:
        """End the workers that are left, with checkpoints if they are quick."""
