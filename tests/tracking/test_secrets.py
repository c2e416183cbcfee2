"""What is shown of addresses that hold passwords."""

import pytest

from multihead.tracking.secrets import masked_uri


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
