"""What all requests together may hold, and who gets what is left."""

import pytest

from multihead.serving import budget as module
from multihead.serving.budget import Budget
from multihead.serving.errors import RequestError


def test_what_does_not_fit_is_a_503_and_comes_back_at_the_end() -> None:
    budget = Budget(6400)
    with budget.share() as first, budget.share() as second:
        first.take(4000)
        with pytest.raises(RequestError) as caught:
            second.take(1000)
        assert caught.value.status == 503
    assert budget.used == 0
    with budget.share() as third:
        third.take(4000)


def test_large_requests_leave_a_quarter_to_small_ones() -> None:
    budget = Budget(6400)
    with budget.share() as large, budget.share() as small:
        large.take(4800)
        small.take(100)
        with pytest.raises(RequestError):
            large.take(1)


def test_a_body_that_arrives_slowly_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLOW_SECONDS", 0.0)
    budget, given_up = Budget(6400), []
    with budget.share() as slow, slow.arriving(lambda: given_up.append(1)):
        slow.take(4800)
        with budget.share() as other:
            other.take(4000)
            assert (given_up, slow.gave_way, budget.used) == ([1], True, 4000)
            with pytest.raises(RequestError, match="arrived slowly"):
                slow.take(1)
    assert budget.used == 0
