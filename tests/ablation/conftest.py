"""Values of an ablation, made by hand."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import pytest

Table = Mapping[tuple[str, str, str], Sequence[float]]


@pytest.fixture
def values() -> Callable[..., pd.DataFrame]:
    """Return a function that makes the table of values of one split, seeds 0, 1, 2, ...

    Its argument holds the values over seeds by arm, head and metric; None where there is no run.
    """

    def make(of: Table, split: str = "test") -> pd.DataFrame:
        rows = [
            {"arm": arm, "seed": seed, "head": head, "metric": metric, "value": value}
            for (arm, head, metric), over_seeds in of.items()
            for seed, value in enumerate(over_seeds)
            if value is not None
        ]
        return pd.DataFrame(rows).assign(split=split, run="r")

    return make
