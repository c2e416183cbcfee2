"""Check that all machines with workers of a study reach its storage and MLflow."""

from collections.abc import Collection
from urllib.parse import urlsplit

from multihead.errors import ConfigError
from multihead.tracking.secrets import masked_uri
from multihead.tracking.store import Store

_LOOPBACK = ("localhost", "127.0.0.1", "::1", None)


def refuse_unshared(cluster: str, machines: Collection[str], url: str, store: Store) -> None:
    """Refuse a storage or store that only this machine reaches, if there are several machines.

    Args:
        cluster: Name of the cluster, for the message.
        machines: Names of its machines and of this one.
        url: URL of the study's storage.
        store: Where its runs are recorded.

    Raises:
        ConfigError: If so. The message says what to give instead.
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
