import logging
from collections.abc import Iterator

import pytest
from tests.conftest import Run


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def kept() -> Iterator[_Kept]:
    """All that Lightning says."""
    handler, loggers = _Kept(), [logging.getLogger(f"lightning.{n}") for n in ("pytorch", "fabric")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


def test_lightnings_callbacks_say_what_they_are_asked_for_and_its_trainer_nothing(
    train: Run, kept: _Kept
) -> None:
    timer = "{_target_: lightning.pytorch.callbacks.Timer, duration: '00:00:00:00'}"
    train(
        "test=false",
        "trainer.max_epochs=2",
        "callbacks.progress=null",
        "+callbacks.early_stopping.verbose=true",
        f"+callbacks.timer={timer}",
    )
    said = {message.split(".")[0] for message in kept.messages}
    assert said == {"Metric val/acc_best improved", "Time limit reached"}
