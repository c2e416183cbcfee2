"""A study on the Ray cluster of docker/ray.yml, one of whose containers is killed."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from tests.compose.stack import ROOT, Stack, kill, wait_for

pytestmark = pytest.mark.compose(minutes=1.5)
TRIALS = 10
STUDY = (
    *("study", "digits_quick", "engine=ray", "engine.address=ray-head:6379", "workers=2"),
    *(
        f"n_trials={TRIALS}",
        "pruner=none",
        "confirm.seeds=0",
        "devices_per_worker={gpu: 0, cpu: 1}",
    ),
    *("trainer.max_epochs=30", "callbacks.early_stopping=null"),  # not over before the other begins
)


@pytest.fixture
def cluster(images: None) -> Iterator[Stack]:
    made = Stack(f"multihead-ray-{os.getpid()}", ("docker-compose.yml", "docker/ray.yml"))
    try:
        made.compose("up", "-d", "--wait", "--scale", "ray-worker=2", "--scale", "dashboard=0")
        yield made
    finally:
        made.remove()


def test_a_killed_node_costs_no_trial_and_adds_none(cluster: Stack) -> None:
    def ended() -> int:
        query = "SELECT count(*) FROM multihead_leases WHERE outcome <> ''"
        made = cluster.sql("optuna", "SELECT to_regclass('multihead_leases') IS NOT NULL")
        return int(cluster.sql("optuna", query)) if made.strip() == "t" else 0

    command = subprocess.Popen(
        ["docker", "compose", "run", "--rm", "-T", "trainer-cpu", *STUDY],
        cwd=ROOT,
        env=cluster.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    places = "SELECT count(DISTINCT split_part(place, ' ', 1)) FROM multihead_workers"
    at_work = f"{places} WHERE kind = 'worker' AND NOT ended AND number IS NOT NULL"
    wait_for(lambda: ended() >= 1 and cluster.sql("optuna", at_work).strip() == "2", "both work")
    kill(cluster.containers("ray-worker")[0])
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 0, output
    states = cluster.sql("optuna", "SELECT state, count(*) FROM trials GROUP BY state")
    assert states.split() == [f"COMPLETE|{TRIALS}"]
    runs = (
        "SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE status = 'FINISHED' "
        "AND key = 'multihead.kind' AND value = 'trial'"
    )
    assert int(cluster.sql("mlflow", runs)) == TRIALS
