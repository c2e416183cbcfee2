"""The compose files as compose reads them; no engine is asked."""

import json
from typing import Any

import pytest
from tests.compose.stack import Stack

pytestmark = pytest.mark.compose
BASE, AUTH, S3 = "docker-compose.yml", "docker/auth.yml", "docker/s3.yml"
RAY = "docker/ray.yml"
ALWAYS = {"loopback-or-auth", "secrets", "postgres", "migrate", "mlflow", "dashboard"}


def composed(*arguments: str, files: tuple[str, ...] = (BASE,), **environment: str) -> Any:
    """Return the services as compose has them in the end."""
    stack = Stack("multihead-config", files, **environment)
    return json.loads(stack.compose(*arguments, "config", "--format", "json"))["services"]


def test_without_a_profile_only_what_runs_on_any_machine_starts() -> None:
    assert set(composed()) == ALWAYS


@pytest.mark.parametrize(
    ("profile", "services"),
    [
        ("gpu", {"image", "trainer", "worker", "install-nvidia-container-toolkit"}),
        ("cpu", {"image", "trainer-cpu", "worker-cpu"}),
    ],
)
def test_a_profile_adds_trainers_and_workers(profile: str, services: set[str]) -> None:
    assert set(composed("--profile", profile)) == ALWAYS | services


def test_the_gpu_profile_alone_reserves_gpus() -> None:
    services = composed("--profile", "gpu", "--profile", "cpu")
    reserving = {name for name, service in services.items() if "deploy" in service}
    assert reserving == {"trainer", "worker"}
    for name in reserving:
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert device["driver"] == "nvidia"
        assert device["count"] == -1  # all


@pytest.mark.parametrize(
    "files", [(BASE,), (BASE, AUTH), (BASE, S3), (BASE, AUTH, S3), (BASE, RAY)]
)
def test_every_service_is_hardened(files: tuple[str, ...]) -> None:
    profiles = ("--profile", "gpu", "--profile", "cpu", "--profile", "backup")
    for name, service in composed(*profiles, files=files).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"], name
        assert service["logging"]["options"]["max-size"], name
        assert not service.get("privileged"), name


@pytest.mark.parametrize("files", [(BASE,), (BASE, S3), (BASE, RAY)])
def test_only_the_uis_are_published_and_only_on_loopback(files: tuple[str, ...]) -> None:
    services = composed("--profile", "gpu", "--profile", "cpu", files=files)
    published = {n: s["ports"] for n, s in services.items() if s.get("ports")}
    assert set(published) == {"mlflow", "dashboard"}
    assert {p["host_ip"] for ports in published.values() for p in ports} == {"127.0.0.1"}


def test_with_users_only_the_proxy_is_published() -> None:
    services = composed(files=(BASE, AUTH), BIND_ADDRESS="0.0.0.0")
    published = {n: s["ports"] for n, s in services.items() if s.get("ports")}
    assert set(published) == {"proxy"}
    assert {p["host_ip"] for p in published["proxy"]} == {"0.0.0.0"}


def test_database_and_workers_are_on_the_internal_network_alone() -> None:
    services = composed("--profile", "gpu", "--profile", "cpu")
    for name in ("postgres", "migrate", "worker", "worker-cpu"):
        assert list(services[name]["networks"]) == ["inside"], name


def test_nodes_of_ray_ask_for_a_token_and_are_on_the_internal_network_alone() -> None:
    services = composed("--profile", "cpu", files=(BASE, RAY))
    for name in ("ray-head", "ray-worker"):
        assert list(services[name]["networks"]) == ["inside"], name
    for name in ("ray-head", "ray-worker", "trainer-cpu"):
        environment = services[name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token", name
        assert environment["RAY_AUTH_TOKEN_PATH"].startswith("/secrets/ray/"), name
        assert "RAY_AUTH_TOKEN" not in environment, name


def test_any_s3_server_can_be_named() -> None:
    services = composed(
        files=(BASE, S3),
        S3_URL="s3://lab/multihead",
        S3_ENDPOINT_URL="https://s3.example",
        S3_SERVER="0",
        S3_CREDENTIALS="/etc/lab",
    )
    assert services["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://lab/multihead"
    assert services["mlflow"]["environment"]["MLFLOW_S3_ENDPOINT_URL"] == "https://s3.example"
    assert services["s3"]["scale"] == 0
    assert "/etc/lab" in {volume["source"] for volume in services["mlflow"]["volumes"]}


def test_addresses_carry_no_password() -> None:
    services = composed("--profile", "gpu", "--profile", "cpu")
    for name, service in services.items():
        for key, value in (service.get("environment") or {}).items():
            if "://" in str(value):
                user = str(value).split("://")[1].split("@")[0]
                assert ":" not in user or "@" not in str(value), f"{name}: {key}"
