"""With docker/auth.yml: nobody gets in without a password, and everything else still works."""

import base64
import os
from collections.abc import Iterator

import pytest
from tests.compose.stack import Stack

pytestmark = pytest.mark.compose


@pytest.fixture(scope="module")
def guarded() -> Iterator[Stack]:
    """A stack with users, published on all addresses of this host."""
    made = Stack(
        f"multihead-users-{os.getpid()}",
        ("docker-compose.yml", "docker/auth.yml"),
        BIND_ADDRESS="0.0.0.0",
    )
    try:
        made.compose("build", "-q")
        made.up()
        yield made
    finally:
        made.remove()


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def test_both_uis_ask_for_a_password(guarded: Stack) -> None:
    password = guarded.compose(
        "run", "--rm", "-T", "--no-deps", "migrate", "cat", "/secrets/admin/password"
    ).strip()
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
