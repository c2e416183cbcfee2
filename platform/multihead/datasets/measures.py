"""Which measures of pictures become heads."""

from collections.abc import Collection, Sequence

from multihead.errors import ConfigError


def check_measures(measures: Sequence[str], known: Collection[str]) -> None:
    """Check `data.measures`.

    Args:
        measures: As given.
        known: All there are.

    Raises:
        ConfigError: For measures that do not exist or are named twice.
    """
    for name in measures:
        if name not in known:
            raise ConfigError(f"data.measures names {name!r}; choose from {list(known)}.")
    if len(set(measures)) != len(measures):
        raise ConfigError(f"data.measures is {list(measures)}; name each measure once.")
