"""A study in containers: kills, stops, both UIs, and that a backup gives all of it back.

The tests of this file follow each other; each finds what the one before left.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.compose.stack import Stack, kill, service_of, wait_for

pytestmark = pytest.mark.compose(minutes=1)
STUDY, TRIALS, EPOCHS = "digits_quick", 16, 40  # not over before the last kill
PLAIN = (
    *("pruner=none", "confirm.seeds=0", "keep=null"),
    *(f"trainer.max_epochs={EPOCHS}", "callbacks.early_stopping=null"),
)


def _ended(stack: Stack) -> int:
    return int(stack.sql("optuna", "SELECT count(*) FROM multihead_leases WHERE outcome <> ''"))


def _at_work(stack: Stack) -> int:
    query = "SELECT count(*) FROM multihead_workers WHERE NOT ended AND number IS NOT NULL"
    return int(stack.sql("optuna", query))


def _workers(stack: Stack) -> list[dict[str, object]]:
    return stack.containers("worker-cpu")


def _is_back(stack: Stack, name: str, started: str) -> bool:
    (there,) = (c for c in stack.containers() if c["Name"] == name)
    # A worker has nothing to say before it has a trial; servers must answer again.
    enough = ("healthy", "starting") if service_of(there) == "worker-cpu" else ("healthy",)
    state = there["State"]
    return bool(state["StartedAt"] != started and state["Health"]["Status"] in enough)


def test_workers_stop_with_checkpoints_and_go_on(stack: Stack) -> None:
    stack.search(STUDY, TRIALS, 2, *PLAIN)
    wait_for(lambda: _ended(stack) >= 1 and _at_work(stack) == 2, "two workers are at work")
    began = time.monotonic()
    stack.compose("--profile", "cpu", "stop")
    assert time.monotonic() - began < 150
    assert [c["State"]["ExitCode"] for c in _workers(stack)] == [143, 143]  # not 137: in time
    stack.compose("--profile", "cpu", "start")
    wait_for(lambda: _at_work(stack) == 2, "both workers are at work again")
    lost = stack.sql("optuna", "SELECT coalesce(sum(lost), 0) FROM multihead_leases")
    assert int(lost) == 0  # a stop costs no retry


def test_killing_any_container_loses_nothing(stack: Stack) -> None:
    for service in ("worker-cpu", "postgres", "mlflow", "dashboard"):
        wait_for(lambda: _at_work(stack) >= 1, "a trial runs")
        victim = stack.containers(service)[0]
        kill(victim)
        wait_for(
            lambda name=victim["Name"], at=victim["State"]["StartedAt"]: _is_back(stack, name, at),
            f"{service} is started again",
        )
    assert _ended(stack) < TRIALS
    wait_for(lambda: not any(c["State"]["Running"] for c in _workers(stack)), "the study ends", 600)
    assert [c["State"]["ExitCode"] for c in _workers(stack)] == [0, 0]
    states = stack.sql("optuna", "SELECT state, count(*) FROM trials GROUP BY state")
    assert states.split() == [f"COMPLETE|{TRIALS}"]


def test_every_trial_has_its_run_its_metrics_and_its_artifacts(stack: Stack) -> None:
    checked = stack.compose("run", "--rm", "-T", "trainer-cpu", "study", STUDY, "--check")
    assert "repaired" not in checked
    trials = (
        "SELECT r.run_uuid, r.status FROM runs r JOIN tags k USING (run_uuid) JOIN tags s "
        "USING (run_uuid) WHERE k.key = 'multihead.kind' AND k.value = 'trial' "
        f"AND s.key = 'multihead.study' AND s.value = '{STUDY}'"
    )
    runs = [line.split("|") for line in stack.sql("mlflow", trials).splitlines()]
    assert [status for _, status in runs] == ["FINISHED"] * TRIALS
    for run, _ in runs:
        points = "SELECT count(DISTINCT step), count(*) FROM metrics WHERE key = 'val/digit_acc'"
        found = stack.sql("mlflow", f"{points} AND run_uuid = '{run}'").strip()
        assert found == f"{EPOCHS}|{EPOCHS}"
        uri = stack.sql("mlflow", f"SELECT artifact_uri FROM runs WHERE run_uuid = '{run}'")
        folder = uri.strip().replace("mlflow-artifacts:", "/artifacts/store")
        manifest = json.loads(stack.inside("mlflow", "cat", f"{folder}/manifest.json"))["sha256"]
        sums = "".join(f"{digest}  {name}\n" for name, digest in manifest.items())
        check = f"cd {folder} && sha256sum --quiet -c - <<'END'\n{sums}END"
        assert not stack.inside("mlflow", "sh", "-c", check).strip()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        path = next(
            str(p) for p in map(Path, ("/usr/bin/chromium", "/usr/bin/google-chrome")) if p.exists()
        )
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_both_uis_show_the_runs(stack: Stack, trained: str, browser: Browser) -> None:
    tagged = f"JOIN tags t USING (run_uuid) WHERE t.value = '{trained}'"
    found = stack.sql("mlflow", f"SELECT r.experiment_id, r.name FROM runs r {tagged}")
    experiment, name = found.strip().split("|")
    page = browser.new_page()
    runs = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    page.goto(f"http://127.0.0.1:{stack.mlflow_port}/{runs}")
    page.get_by_text(name).first.wait_for(timeout=60_000)
    page.goto(f"http://localhost:{stack.dashboard_port}/dashboard")
    page.get_by_text(STUDY).first.wait_for(timeout=60_000)
    page.close()


def test_down_and_up_keeps_everything(stack: Stack) -> None:
    before, files = stack.table(), stack.artifacts()
    trials = stack.sql("optuna", "SELECT * FROM trial_values ORDER BY 1")
    stack.compose("--profile", "gpu", "--profile", "cpu", "down")
    assert not stack.containers()
    stack.up()
    assert stack.table() == before
    assert stack.artifacts() == files
    assert stack.sql("optuna", "SELECT * FROM trial_values ORDER BY 1") == trials


def test_a_backup_gives_an_empty_stack_the_same_runs_and_artifacts(
    stack: Stack, backup_file: Path
) -> None:
    before, files = stack.table(), stack.artifacts()
    trials = stack.sql("optuna", "SELECT * FROM trial_values ORDER BY 1")
    said = stack.run(["docker/backup.sh", str(backup_file)]).stdout
    assert f"in {backup_file}" in said
    refused = stack.run(["docker/restore.sh", str(backup_file)], check=False)
    assert refused.returncode
    assert "FORCE=yes" in refused.stdout
    assert stack.compose("ps", "-q", "--status", "running", "mlflow")
    stack.remove()
    stack.up()
    assert stack.table() != before
    said = stack.run(["docker/restore.sh", str(backup_file)]).stdout
    assert "are back" in said
    assert stack.table() == before
    assert stack.artifacts() == files
    assert stack.sql("optuna", "SELECT * FROM trial_values ORDER BY 1") == trials
    assert set(map(service_of, stack.containers())) >= {"mlflow", "dashboard"}
