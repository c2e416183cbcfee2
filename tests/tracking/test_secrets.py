"""What is shown of addresses that hold passwords."""

import sys

import pytest

from multihead.tracking.secrets import command_variable, masked_uri, typed_command


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql+psycopg://me:a b:c@db/x", "postgresql+psycopg://me:***@db/x"),
        ("postgresql://me@db/x?password=geheim&x=1", "postgresql://me@db/x?password=***&x=1"),
        ("http://:geheim@mlflow:5000", "http://:***@mlflow:5000"),
        ("sqlite:////runs/studies.db", "sqlite:////runs/studies.db"),
    ],
)
def test_an_address_is_shown_without_its_password_wherever_that_stands(
    uri: str, shown: str
) -> None:
    assert masked_uri(uri) == shown


def test_a_worker_records_the_command_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/multihead", "study", "storage=http://me:geheim@db"])
    for name, value in command_variable().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["/lib/worker.py", "--study", "x"])
    assert typed_command() == "multihead study storage=http://me:***@db"
