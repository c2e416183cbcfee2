"""What all machines that workers of a study are on must reach."""

from collections.abc import Collection
from urllib.parse import urlsplit

from multihead.errors import ConfigError
from multihead.tracking.secrets import masked_uri
from multihead.tracking.store import Store

_LOOPBACK = ("localhost", "127.0.0.1", "::1", None)


def refuse_unshared(cluster: str, machines: Collection[str], url: str, store: Store) -> None:
    """Refuse what only one machine has, if there are several.

    Args:
        cluster: What they are called together.
        machines: Their names, that of this one among them.
        url: Of the study's storage.
        store: Where its runs are recorded.

    Raises:
        ConfigError: Naming it, and what is needed.
    """
    if len(machines) == 1:
        return
    if _is_local(url):
        unshared, instead = (
            f"storage {masked_uri(url)}",
            "storage=postgresql+psycopg://USER@HOST/DATABASE",
        )
    elif not store.is_server or _is_local(store.uri):
        unshared = f"MLFLOW_TRACKING_URI {store.shown_uri}"
        instead = "that of an MLflow server, http://HOST:5000,"
    else:
        return
    names = ", ".join(sorted(machines)[:3])
    raise ConfigError(
        f"{cluster} has several machines ({names}), and {unshared} does not serve all of them; "
        f"give {instead} that they reach."
    )


def _is_local(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK
