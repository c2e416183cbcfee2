"""A Ray cluster of several nodes on loopback: `python ray_nodes.py NODES`, until its input ends.

Prints a line of JSON: its address, and the process of each node, the head's first.
"""

import json
import os
import sys
import tempfile

_folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
os.mkdir(f"{_folder.name}/ray")
# Before Ray is imported: it takes 127.0.0.1 for another address otherwise.
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TMPDIR": _folder.name,
    "RAY_USAGE_STATS_ENABLED": "0",
}

import psutil  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402


def raylets(cluster: Cluster) -> list[int]:
    """Return the process of each node, the head's first."""
    return [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]


def add_node(cluster: Cluster) -> None:
    """Start a node; Ray gives it 30 seconds, which may be too few on a busy machine."""
    for attempts_left in reversed(range(5)):
        try:
            cluster.add_node(
                num_cpus=1,
                num_gpus=1,
                node_ip_address="127.0.0.1",
                include_dashboard=False,
                wait=False,
            )
        except Exception:
            if not attempts_left:
                raise
            for child in psutil.Process().children():
                if child.name() == "raylet" and child.pid not in raylets(cluster):
                    child.kill()
        else:
            return


if __name__ == "__main__":
    with _folder:
        cluster = Cluster()
        for _ in range(int(sys.argv[1])):
            add_node(cluster)
        told = {"address": cluster.address, "processes": raylets(cluster)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        cluster.shutdown()
