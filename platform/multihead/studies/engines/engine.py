"""The interface of engines."""

from collections.abc import Collection
from typing import Protocol


class Engine(Protocol):
    """Starts the workers of a study, and replaces workers that die.

    A worker is a process of `multihead.studies.worker`. It ends by itself when no trial is left, or
    when the study is asked to stop. Other workers continue the trial of a dead one.

    Attributes:
        note: A message for the user, such as that workers are waiting for a place; usually empty.
    """

    note: str

    def start(self) -> None:
        """Start workers until the study has its number of them. Running ones are kept.

        Raises:
            MultiheadError: If they cannot be started.
        """

    def look(self, silent: Collection[str], ended: int) -> bool:
        """Replace workers that died, and kill those that stopped sending heartbeats.

        Args:
            silent: Places of workers without heartbeats, in the form of `registry.place_of`.
            ended: Number of the study's trials that have ended.

        Returns:
            Whether any worker is running or waits for a place.

        Raises:
            StoreError: If workers die repeatedly without a trial ending.
        """

    def interrupt(self) -> None:
        """Ask all workers to write a checkpoint and end. Signal handlers may call this."""

    def end(self) -> None:
        """End the remaining workers. They have a grace period to write checkpoints."""
