"""The Kubernetes Job of a study: valid, hardened, and its command does what the Job counts on."""

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions
from tests.conftest import ROOT, multihead
from tests.postgres import postgres, postgres_programs
from tests.studies.conftest import LONG, assert_agreement

from multihead import workers
from multihead.errors import ConfigError
from multihead.studies.manifest import GRACE_SECONDS, Place, manifest
from multihead.tracking.store import Store

PLACE = Place("lab.example/multihead:1", "multihead", "runs", "data", "8Gi")
VERSIONS = list(dict.fromkeys(all_versions()))[-3:]
SECRET = "geheim"
TRICKY = ("a\n  privileged: true\n", "'\"}], - b: #", "{{ place }}{% raw %}", "\x85\u2028\r😀", "~")


def _job(*arguments: str, workers: int = 3) -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load(manifest("digits_quick", arguments, workers, PLACE))
    return job


def _pod(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def test_what_the_command_prints_is_valid_in_kubernetes(tmp_path: Path) -> None:
    done = multihead(["cluster", "manifest", "--workers", "4"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (job,) = yaml.safe_load_all(done.stdout)
    for version in VERSIONS:
        assert version.startswith(kubernetes_validate.validate(job, version, strict=True))
    assert job["spec"]["parallelism"] == job["spec"]["completions"] == 4


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_refuses_a_misspelt_field_and_a_wrong_type(version: str) -> None:
    misspelt, wrong = _job(), _job()
    _pod(misspelt)["terminationGracePeriodSecond"] = 90
    wrong["spec"]["backoffLimit"] = "many"
    for job in (misspelt, wrong):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(copy.deepcopy(job), version, strict=True)


def test_a_pod_has_the_time_that_a_checkpoint_may_take() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert _pod(_job())["terminationGracePeriodSeconds"] == GRACE_SECONDS
    assert GRACE_SECONDS > workers.GRACE_SECONDS
    assert compose["x-worker"]["stop_grace_period"] == f"{GRACE_SECONDS}s"


def test_a_pod_asks_for_what_the_study_gives_its_workers() -> None:
    job = _job("devices_per_worker={gpu: 2, cpu: 6}")
    (container,) = _pod(job)["containers"]
    assert container["resources"] == {
        "requests": {"cpu": 6, "memory": "8Gi"},
        "limits": {"memory": "8Gi", "nvidia.com/gpu": 2},
    }
    (container,) = _pod(_job("devices_per_worker=0"))["containers"]
    assert "nvidia.com/gpu" not in container["resources"]["limits"]


def test_a_pod_may_do_nothing_that_a_training_does_not_need() -> None:
    pod = _pod(_job())
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/runs", "/tmp", "/dev/shm"}


def test_addresses_and_passwords_come_from_the_secret_alone() -> None:
    (container,) = _pod(_job())["containers"]
    stated = {e["name"] for e in container["env"] if "value" in e}
    secret = {e["valueFrom"]["secretKeyRef"]["key"] for e in container["env"] if "valueFrom" in e}
    assert stated == {"MULTIHEAD_HOME", "MULTIHEAD_DATA_DIR"}
    assert secret >= {"MULTIHEAD_STUDY_STORAGE", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_PASSWORD"}


def test_a_study_of_ones_own_travels_in_a_configmap(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text((ROOT / "studies/search/digits_quick.yaml").read_text())
    documents = list(yaml.safe_load_all(manifest(str(own), ["n_trials=5"], 2, PLACE)))
    for document in documents:
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    file, job = documents
    (container,) = _pod(job)["containers"]
    assert file["data"] == {"mine.yaml": own.read_text()}
    assert container["args"][:3] == ["study", "/study/mine.yaml", "n_trials=5"]
    names = {v["name"]: v.get("configMap", {}).get("name") for v in _pod(job)["volumes"]}
    assert names["study"] == file["metadata"]["name"]


@pytest.mark.parametrize("text", [*TRICKY, f"{TRICKY[0]}{'x' * 500}"])
def test_no_value_leaves_its_place(text: str, tmp_path: Path) -> None:
    """A manifest is given to `kubectl`, which does whatever stands in it."""
    own = tmp_path / "mine.yaml"
    own.write_text((ROOT / "studies/search/digits_quick.yaml").read_text() + f"#{text!r} {{{{x}}}}")
    place = Place(text, "multihead", "runs", "data", "8Gi", "null")
    arguments = [f"notes={text}", "devices_per_worker=0"]
    file, job = yaml.safe_load_all(manifest(str(own), arguments, 2, place))
    (container,) = _pod(job)["containers"]
    assert container["image"] == text
    assert container["args"][2:4] == arguments
    assert file["data"] == {own.name: own.read_text()}
    assert job["metadata"]["namespace"] == "null"
    plain = yaml.safe_load(manifest("digits_quick", arguments[1:], 2, PLACE))
    assert job.keys() == plain.keys()
    assert _pod(job).keys() == _pod(plain).keys()
    assert container.keys() == _pod(plain)["containers"][0].keys()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["workers=3"], "give --workers"),
        (["devices_per_worker=0.25"], "a pod has whole GPUs"),
        ([f"storage=postgresql+psycopg://me:{SECRET}@db/studies"], "from the Secret"),
        ([f"logger.tracking_uri=http://me:{SECRET}@mlflow"], "an address with a password"),
        (["n_trials=none"], "n_trials is 'none'"),
    ],
)
def test_what_pods_cannot_do_is_refused_in_one_line(
    arguments: list[str], why: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        manifest("digits_quick", arguments, 2, PLACE)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--runs", "My_Claim"], "'My_Claim' is no name in Kubernetes"),
        (["--output", "missing/job.yaml"], "cannot be written"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    options: list[str], why: str, tmp_path: Path
) -> None:
    done = multihead(["cluster", "manifest", "--workers", "2", *options], folder=tmp_path)
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_amount_of_memory_is_one() -> None:
    with pytest.raises(ConfigError, match="'lots' is no amount"):
        Place("multihead", "secret", "runs", "data", "lots")


def _start(job: dict[str, Any], home: Path, url: str) -> subprocess.Popen[str]:
    """Run the container's command as a process, with its volume and Secret in the environment."""
    (container,) = _pod(job)["containers"]
    assert container["command"] == ["multihead"]
    return subprocess.Popen(
        [sys.executable, "-m", "multihead", *container["args"]],
        cwd=home,
        env=os.environ | {"MULTIHEAD_HOME": str(home), "MULTIHEAD_STUDY_STORAGE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.skipif(postgres_programs() is None, reason="there is no PostgreSQL here")
def test_pods_share_a_study_and_one_that_is_told_to_go_is_replaced(
    home: Path, store: Store
) -> None:
    """The Job ignores 143 and starts another pod; 0 of all pods completes it."""
    job = _job("n_trials=3", "pruner=none", "devices_per_worker=0", *LONG, workers=2)
    ignored = job["spec"]["podFailurePolicy"]["rules"][1]
    with postgres() as server:
        pods = [_start(job, home, server.url) for _ in range(2)]
        while len(list(home.glob("*/checkpoints/last.ckpt"))) < 2:
            time.sleep(0.2)
            assert all(pod.poll() is None for pod in pods), [pod.communicate() for pod in pods]
        pods[0].send_signal(signal.SIGTERM)
        output, _ = pods[0].communicate(timeout=300)
        assert pods[0].returncode in ignored["onExitCodes"]["values"], output
        pods[0] = _start(job, home, server.url)
        outputs = [pod.communicate(timeout=900)[0] for pod in pods]
        assert [pod.returncode for pod in pods] == [0, 0], outputs
        assert_agreement(store, server.url, "digits_quick", 3)
        more = manifest("digits_quick", ["n_trials=4", *LONG[:2]], 1, PLACE, resume=True)
        late = _start(yaml.safe_load(more), home, server.url)
        output, _ = late.communicate(timeout=300)
        assert late.returncode == 0, output
        assert_agreement(store, server.url, "digits_quick", 4)
