"""The running stack: what it publishes, what its containers may, who knows its secrets."""

import json
import shutil
import socket

import pytest
from tests.compose.stack import IMAGE, Stack, docker, service_of

pytestmark = pytest.mark.compose(minutes=0.3)
LASTING = ("postgres", "mlflow", "dashboard")
FOREIGN = ("evil.example", "10.evil.example", "localhost.evil.example", "127.0.0.1:1")


def test_everything_is_healthy_and_a_second_up_changes_nothing(stack: Stack) -> None:
    before = stack.running()
    stack.up()
    assert stack.running() == before
    assert {service_of(c) for c in stack.containers() if c["State"]["Running"]} == set(LASTING)
    for container in stack.containers(*LASTING):
        assert container["State"]["Health"]["Status"] == "healthy"


def _addresses() -> set[str]:
    """Return the addresses of this host that others can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return set()
        return {probe.getsockname()[0]} - {"127.0.0.1"}


def test_nothing_listens_on_the_hosts_other_addresses(stack: Stack) -> None:
    for port in (stack.mlflow_port, stack.dashboard_port, 5432):
        for address in _addresses():
            with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
                socket.create_connection((address, port), timeout=3)


def test_no_container_has_root_capabilities_or_a_writable_root(stack: Stack) -> None:
    for service in LASTING:
        assert int(stack.inside(service, "id", "-u")) > 0, service
        status = stack.inside(service, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status, service
        assert "NoNewPrivs:\t1" in status, service
        refused = stack.inside(service, "sh", "-c", "echo > /usr/there", check=False)
        assert "Read-only file system" in refused, service


def _secrets(stack: Stack) -> list[str]:
    """Return every password of the stack."""
    found = []
    for volume in ("postgres", "admin", "users"):
        text = docker(
            *("run", "--rm", "--entrypoint=sh", "--user=0"),
            *(f"--volume={stack.project}_secrets-{volume}:/there:ro", f"{IMAGE}-server"),
            *("-c", "cat /there/*"),
        )
        found += [word for word in text.split() if len(word) == 32]
    assert len(found) == 5
    return found


def test_no_secret_is_in_an_environment_an_argument_list_or_a_log(stack: Stack) -> None:
    shown = stack.compose("config") + stack.compose("logs") + json.dumps(stack.containers())
    everything = "for p in /proc/[0-9]*; do cat $p/environ $p/cmdline 2>/dev/null; done; true"
    for service in LASTING:
        shown += stack.inside(service, "sh", "-c", everything)
    for secret in _secrets(stack):
        assert secret not in shown


def test_images_hold_no_secret_no_compiler_and_no_cache() -> None:
    look = (
        "find /secrets /runs /data /artifacts /backups -type f; command -v gcc cc g++ make;"
        "find / -xdev \\( -path '*/.cache/*' -o -path '/var/lib/apt/lists/*' -o -name '*.deb'"
        " -o -name '.env' -o -name '.git' \\) -type f 2>/dev/null; true"
    )
    for image in (f"{IMAGE}-server", IMAGE):
        assert not docker("run", "--rm", "--user=0", "--entrypoint=sh", image, "-c", look).split()


def test_each_password_is_readable_by_those_who_need_it_alone(stack: Stack) -> None:
    assert "600 multihead" in stack.inside("mlflow", "stat", "-c%a %U", "/secrets/mlflow/pgpass")
    assert not stack.inside("dashboard", "find", "/secrets/mlflow", "-type", "f").split()
    assert not stack.inside("mlflow", "find", "/secrets/optuna", "-type", "f").split()
    assert not stack.inside(
        "mlflow", "find", "/secrets/postgres", "-type", "f", check=False
    ).split()


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_gets_403(stack: Stack, host: str) -> None:
    for port, path in ((stack.mlflow_port, "/"), (stack.dashboard_port, "/api/studies")):
        assert stack.get(port, path, Host=host)[0] == 403
        assert stack.get(port, path)[0] == 200


def test_the_database_cannot_be_reached_from_the_outer_network(stack: Stack) -> None:
    knock = "import socket; socket.create_connection(('postgres', 5432), timeout=5)"
    outside = f"--network={stack.project}_outside"
    said = docker(
        *("run", "--rm", outside, "--entrypoint=python", f"{IMAGE}-server", "-c", knock),
        check=False,
    )
    assert "Traceback" in said


def test_a_training_is_recorded_with_whole_artifacts(stack: Stack, trained: str) -> None:
    tagged = f"JOIN tags t USING (run_uuid) WHERE t.value = '{trained}'"
    query = f"SELECT r.run_uuid, r.status FROM runs r {tagged}"
    ((run, status),) = (line.split("|") for line in stack.sql("mlflow", query).splitlines())
    assert status == "FINISHED"
    folder = f"/artifacts/store/1/{run}/artifacts"
    manifest = json.loads(stack.inside("mlflow", "cat", f"{folder}/manifest.json"))["sha256"]
    assert any(name.endswith("best.ckpt") for name in manifest)
    for name, digest in manifest.items():
        assert stack.inside("mlflow", "sha256sum", f"{folder}/{name}").split()[0] == digest


def test_a_run_names_the_address_that_people_can_open(stack: Stack, trained: str) -> None:
    listed = stack.compose("run", "--rm", "-T", "trainer-cpu", "runs", "--format", "csv")
    assert trained in listed


def test_doctor_shows_the_devices_of_a_trainer(stack: Stack) -> None:
    said = stack.compose("run", "--rm", "-T", "trainer-cpu", "doctor")
    assert "device         cpu" in said
    assert "http://mlflow:5000 answers" in said


def test_a_host_without_the_nvidia_runtime_is_told_what_to_install(stack: Stack) -> None:
    if shutil.which("nvidia-container-runtime") is not None:
        pytest.skip("this host has the NVIDIA runtime")
    said = stack.compose("--profile", "gpu", "up", "-d", "--no-build", check=False)
    assert said.splitlines()[-1] == (
        'service "install-nvidia-container-toolkit" didn\'t complete successfully: exit 1'
    )
    why = stack.compose(
        "--profile", "gpu", "run", "--rm", "install-nvidia-container-toolkit", check=False
    )
    assert len(why.strip().splitlines()) == 1
    assert "install the driver and the package nvidia-container-toolkit" in why


def test_beyond_loopback_the_stack_is_refused_with_the_reason(stack: Stack) -> None:
    said = stack.compose("up", "-d", check=False, BIND_ADDRESS="0.0.0.0")
    assert 'service "loopback-or-auth" didn\'t complete successfully: exit 1' in said
    why = stack.compose("logs", "--no-log-prefix", "loopback-or-auth", BIND_ADDRESS="0.0.0.0")
    assert "Add docker/auth.yml" in why
    for container in stack.containers():
        for addresses in (container["NetworkSettings"]["Ports"] or {}).values():
            assert all(each["HostIp"] == "127.0.0.1" for each in addresses or [])
    stack.up()
    assert stack.get(stack.mlflow_port)[0] == 200


def test_a_newer_database_is_refused_before_any_change(stack: Stack) -> None:
    revision = stack.sql("mlflow", "SELECT version_num FROM alembic_version").strip()
    stack.sql("mlflow", "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    try:
        said = stack.compose("run", "--rm", "-T", "migrate", check=False)
        assert (
            said.strip()
            .splitlines()[-1]
            .startswith("migrate: the database 'mlflow' was made by a newer image")
        )
    finally:
        stack.sql("mlflow", f"UPDATE alembic_version SET version_num = '{revision}'")
    assert "is at" in stack.compose("run", "--rm", "-T", "migrate")


DOWN = """
import sqlalchemy as sa
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
address = "postgresql+psycopg://mlflow@postgres/mlflow?passfile=/secrets/mlflow/pgpass"
config = _get_alembic_config(address)
with sa.create_engine(address).begin() as connection:
    config.attributes["connection"] = connection
    command.downgrade(config, "-1")
"""


def test_an_older_database_is_dumped_and_brought_to_head(stack: Stack, trained: str) -> None:
    before = stack.table()
    stack.compose("stop", "mlflow")  # it would bring the schema to head by itself
    head = stack.sql("mlflow", "SELECT version_num FROM alembic_version").strip()
    stack.compose("run", "--rm", "-T", "migrate", "python", "-c", DOWN)
    older = stack.sql("mlflow", "SELECT version_num FROM alembic_version").strip()
    assert older != head
    said = stack.compose("run", "--rm", "-T", "migrate")
    assert f"mlflow-{older}.dump" in said
    assert stack.sql("mlflow", "SELECT version_num FROM alembic_version").strip() == head
    stack.up()
    assert stack.table() == before
