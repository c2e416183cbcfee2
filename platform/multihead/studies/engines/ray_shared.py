"""The hosts of a Ray cluster, and the environment variables that workers get on their nodes."""

import os
import platform

from multihead import settings
from multihead.tracking.store import Store


def hosts() -> set[str]:
    """Return the host names of the cluster's nodes and of this machine."""
    import ray

    return {n["NodeManagerHostname"] for n in ray.nodes() if n["Alive"]} | {platform.node()}


def travelling(store: Store) -> dict[str, str]:
    """Return the environment variables that workers get from this machine.

    They hold MLflow's address and credentials. Folders and PostgreSQL's credentials come from each
    node's own environment, unless all nodes are on this machine.

    Args:
        store: Where runs are recorded.
    """
    ours = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_TRACKING_")}
    if hosts() == {platform.node()}:
        ours |= {k: v for k, v in os.environ.items() if k.startswith(("MULTIHEAD_", "PG"))}
        ours[settings.HOME_VARIABLE] = str(store.home)
    return ours | {"MLFLOW_TRACKING_URI": store.uri}
