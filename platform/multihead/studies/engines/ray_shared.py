"""Where the nodes of a Ray cluster are, and what workers take with them to theirs."""

import os
import platform

from multihead import settings
from multihead.tracking.store import Store


def hosts() -> set[str]:
    """Return the names of the machines that the cluster's nodes are on, and of this one."""
    import ray

    return {n["NodeManagerHostname"] for n in ray.nodes() if n["Alive"]} | {platform.node()}


def travelling(store: Store) -> dict[str, str]:
    """Return the environment that workers take with them to their nodes.

    That is where the record is and how to sign in there. Folders, and how to sign in to
    PostgreSQL, are each node's own, unless all nodes are this machine.

    Args:
        store: Where runs are recorded.
    """
    ours = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_TRACKING_")}
    if hosts() == {platform.node()}:
        ours |= {k: v for k, v in os.environ.items() if k.startswith(("MULTIHEAD_", "PG"))}
        ours[settings.HOME_VARIABLE] = str(store.home)
    return ours | {"MLFLOW_TRACKING_URI": store.uri}
