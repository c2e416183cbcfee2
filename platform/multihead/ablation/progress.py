"""Show the progress of an ablation: counts, time left, and the trainings that ended."""

import time
from collections.abc import Mapping

from multihead.ablation.worker import Work
from multihead.studies.progress import span
from multihead.terminal.drawn import Screen, live, styled

_ENDED = ("FINISHED", "FAILED")


class Progress:
    """Print a line per training that ended, and keep a line of counts in a terminal.

    Args:
        screen: The screen to draw on.
    """

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._live = live(screen)
        self._printed: set[str] = set()
        self._began = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.screen.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, works: Mapping[str, Work]) -> None:
        """Show the states of the trainings, by name."""
        for name, work in works.items():
            if work.state in _ENDED and name not in self._printed:
                self._printed.add(name)
                self.screen.print(f"{name}  {work.state}  {work.reason}".rstrip())
        if self.screen.is_terminal:
            self._live.update(styled(self._counts(works), style="bold"), refresh=True)

    def _counts(self, works: Mapping[str, Work]) -> str:
        ended = sum(work.state in _ENDED for work in works.values())
        busy = [name for name, work in works.items() if work.state == "RUNNING"]
        left = (time.monotonic() - self._began) / max(1, ended) * (len(works) - ended)
        about = f", about {span(left)} left" if ended else ""
        return f"{ended}/{len(works)} trainings{about}; now: {', '.join(busy) or 'starting'}"
