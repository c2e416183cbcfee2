"""A real Slurm of one node and two partitions, for tests: root, and Debian's `slurm-wlm`."""

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

_PROGRAMS = (
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "squeue",
    "scancel",
    "sinfo",
    "scontrol",
)


def why_no_slurm() -> str | None:
    """Return what is missing for a Slurm of one's own, or None."""
    if os.geteuid() != 0:
        return "a Slurm of one's own needs root"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    return f"there is no {missing[0]} here" if missing else None


@contextmanager
def slurm(cpus: int) -> Iterator[dict[str, str]]:
    """Start a cluster on loopback and, in the end, remove it.

    A job of the partition `high` has those of `low` requeued, a minute after it told them.

    Args:
        cpus: Of the node, whatever this machine has.

    Yields:
        The environment of its clients.
    """
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        munge = folder / "munge"
        munge.mkdir(mode=0o700)
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o400)
        (folder / "slurm.conf").write_text(_configuration(folder, cpus))
        clients = {"SLURM_CONF": str(folder / "slurm.conf")}
        options = [f"--{what}-file={munge / what}" for what in ("key", "pid", "log", "seed")]
        _run(["munged", "--force", f"--socket={munge / 'socket'}", *options])
        daemons = [
            subprocess.Popen([daemon, "-D"], env=os.environ | clients, stderr=subprocess.DEVNULL)
            for daemon in ("slurmctld", "slurmd")
        ]
        try:
            _wait_for_node(clients)
            yield clients
        finally:
            _run(["scancel", "--signal=KILL", "--full", "--user=root"], clients, check=False)
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait()
            _run(["munged", "--stop", f"--socket={munge / 'socket'}", *options])


def _configuration(folder: Path, cpus: int) -> str:
    host = platform.node()
    lines = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "AuthInfo": f"socket={folder}/munge/socket",
        "SlurmUser": "root",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "SlurmctldLogFile": folder / "slurmctld.log",
        "SlurmdLogFile": folder / "slurmd.log",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "SchedulerParameters": "sched_interval=2,bf_interval=2,requeue_delay=1",
        "SlurmdParameters": "config_overrides",
        "ReturnToService": 2,
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
    }
    node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN"
    low = f"PartitionName=low Nodes={host} Default=YES PriorityTier=1 GraceTime=60"
    high = f"PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF"
    return "\n".join([f"{k}={v}" for k, v in lines.items()] + [node, low, high, ""])


def _wait_for_node(clients: dict[str, str]) -> None:
    for _ in range(300):
        done = _run(["sinfo", "--noheader", "--format=%T"], clients, check=False)
        if set(done.stdout.split()) == {"idle"}:
            return
        time.sleep(0.2)
    raise TimeoutError(done.stdout + done.stderr)


def _run(
    command: list[str], clients: dict[str, str] | None = None, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | (clients or {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=check)
