"""Check the setting `data.measures`, which chooses the measures that become heads."""

from collections.abc import Collection, Sequence

from multihead.errors import ConfigError


def check_measures(measures: Sequence[str], known: Collection[str]) -> None:
    """Check `data.measures`.

    Args:
        measures: The setting.
        known: All measures.

    Raises:
        ConfigError: If a measure does not exist or is named twice.
    """
    for name in measures:
        if name not in known:
            raise ConfigError(f"data.measures names {name!r}; choose from {list(known)}.")
    if len(set(measures)) != len(measures):
        raise ConfigError(f"data.measures is {list(measures)}; name each measure once.")
