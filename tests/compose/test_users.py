"""With docker/auth.yml: nobody gets in without a password, and everything else still works."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compose.stack import Stack

pytestmark = pytest.mark.compose(minutes=0.6)


@pytest.fixture(scope="module")
def guarded(images: None) -> Iterator[Stack]:
    """A stack with users, published on all addresses of this host."""
    made = Stack(
        f"multihead-users-{os.getpid()}",
        ("docker-compose.yml", "docker/auth.yml"),
        BIND_ADDRESS="0.0.0.0",
    )
    try:
        made.up()
        yield made
    finally:
        made.remove()


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def _password(stack: Stack) -> str:
    command = ("run", "--rm", "-T", "--no-deps", "migrate", "cat", "/secrets/admin/password")
    return stack.compose(*command).strip()


def test_both_uis_ask_for_a_password(guarded: Stack) -> None:
    password = _password(guarded)
    for port, path in ((guarded.mlflow_port, "/"), (guarded.dashboard_port, "/api/studies")):
        assert guarded.get(port, path)[0] == 401
        assert guarded.get(port, path, **_basic("admin", "wrong"))[0] == 401
        assert guarded.get(port, path, **_basic("admin", password))[0] == 200
        assert guarded.get(port, path, **_basic("admin", password), Host="evil.example")[0] == 403


def test_users_are_in_the_database(guarded: Stack) -> None:
    names = guarded.sql("mlflow", "SELECT username, is_admin FROM users ORDER BY 1").split()
    assert names == ["admin|t", "platform|f"]


def test_trainings_name_themselves(guarded: Stack) -> None:
    said = guarded.train("experiment=multihead_cnn_digits", "trainer.max_epochs=1")
    assert guarded.sql("mlflow", "SELECT status FROM runs").split() == ["FINISHED"], said


def test_a_backup_brings_users_into_a_stack_with_other_passwords(
    guarded: Stack, backup_file: Path
) -> None:
    before, theirs = guarded.table(), _password(guarded)
    guarded.run(["docker/backup.sh", str(backup_file)])
    guarded.remove()
    guarded.up()
    guarded.run(["docker/restore.sh", str(backup_file)])
    assert guarded.table() == before
    assert guarded.get(guarded.mlflow_port, "/", **_basic("admin", theirs))[0] == 200
    listed = guarded.compose("run", "--rm", "-T", "trainer-cpu", "runs", "--format", "csv")
    assert "FINISHED" in listed
    guarded.compose("run", "--rm", "-T", "migrate", RESET_ADMIN="yes")
    assert _password(guarded) != theirs
