"""A study is made once, joined, or gone on with."""

import pytest
from tests.studies.conftest import Define

from multihead.errors import ConfigError
from multihead.studies.create_or_resume import start
from multihead.studies.definition import Definition
from multihead.tracking.store import Store


def begin(definition: Definition, *, resume: bool = False) -> Definition:
    """Open a study, and leave it as a command does that ends."""
    opened = start(definition, resume=resume)
    assert opened.presence is not None
    opened.presence.end()
    opened.storage.close()
    return opened.definition


def test_the_same_study_called_again_is_gone_on_with_and_another_budget_takes_a_word(
    define: Define, store: Store
) -> None:
    """So that `make demo` works again, after an interruption too."""
    first = begin(define(n_trials=3))
    assert begin(define(n_trials=3)) == first
    with pytest.raises(ConfigError, match="0 of its 3 trials have ended; go on with --resume"):
        begin(define(n_trials=9))
    assert begin(define(n_trials=9), resume=True).n_trials == 9


def test_another_study_of_the_same_name_is_refused(define: Define, store: Store) -> None:
    begin(define())
    with pytest.raises(ConfigError, match=r"another sampler.*name="):
        begin(define(sampler="random"), resume=True)
