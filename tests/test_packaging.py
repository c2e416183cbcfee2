"""What a person gets who clones the repository, or installs the wheel."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-cluster.lock"]

# A stand-in for an interpreter, quick enough to set up .venv many times: it makes "environments",
# notes how it is called, and fails to install while there is a file named `offline`.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
    *_base_executable*) echo "$0" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"pip "*) [ ! -e offline ] ;;
esac
"""


def stanzas(lock: str) -> dict[str, str]:
    """Return what a lock says of each package, from its name to its last comment."""
    parts = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    return {part.split("==")[0]: part for part in parts}


def pins(lock: str) -> dict[str, str]:
    return {name: re.split("[ ;]", text.split("==")[1])[0] for name, text in stanzas(lock).items()}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what a `make` above, or a user, put into it."""
    ours = ("MAKE", "MFLAGS", "MULTIHEAD_", "MLFLOW_", "PYTHON", "TORCH_INDEX")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


# ------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize("lock", [*LOCKS, "tools/sbom.lock"])
def test_a_lock_names_no_host_and_no_folder(lock: str) -> None:
    """It must do with whatever registry or mirror a person has."""
    assert not re.findall(r"\S*://\S*|--index-url|--find-links|\s/\S+", (ROOT / lock).read_text())


@pytest.mark.parametrize("lock", [*LOCKS, "tools/sbom.lock"])
def test_every_package_in_a_lock_is_pinned_and_has_a_hash(lock: str) -> None:
    for name, text in stanzas(lock).items():
        assert re.match(rf"{re.escape(name)}==\S+ .*\\\n    --hash=sha256:[0-9a-f]{{64}}", text)


def test_the_development_lock_holds_all_of_the_others() -> None:
    """Otherwise the tests run with other versions than a user gets, here or on a cluster."""
    runtime, dev, cluster = map(pins, LOCKS)
    assert (runtime | cluster).items() <= dev.items()
    assert {name for name in runtime if cluster.get(name, runtime[name]) != runtime[name]} == set()


def test_the_locks_satisfy_the_declared_dependencies() -> None:
    """A dependency that was added or raised without `make lock` fails here, not at a user's."""
    extras = project()["optional-dependencies"]
    runtime = project()["dependencies"] + extras["postgres"] + extras["build"]
    every = sum(extras.values(), start=runtime)
    cluster = project()["dependencies"] + extras["ray"] + extras["s3"] + extras["slurm"]
    for lock, declared in zip(LOCKS, [runtime, every, cluster], strict=True):
        # The package's own name there stands for another of its extras.
        pinned = pins(lock) | {"multihead": "0"}
        for requirement in map(Requirement, declared):
            assert requirement.specifier.contains(pinned[requirement.name], prereleases=True)


def test_no_torch_is_taken_that_is_older_than_the_tested_one() -> None:
    torch = next(r for r in map(Requirement, project()["dependencies"]) if r.name == "torch")
    assert "2.13.0" not in torch.specifier
    assert "2.13.0+cpu" not in torch.specifier
    assert not pins(LOCKS[0])["torch"].startswith("2.13")


# -------------------------------------------------------------------------------- what is built


def built(version: str, folder: Path) -> list[str]:
    """Build a wheel into a folder and return the names of what is in it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", f"wheel:{version}", "-d"]
    subprocess.run([*command, folder], cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return [name for name in wheel.namelist() if ".dist-info/" not in name]


def files_below(folder: str, prefix: str) -> set[str]:
    base = ROOT / folder
    files = (f for f in base.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return {f"{prefix}/{f.relative_to(base).as_posix()}" for f in files}


def test_the_wheel_holds_the_package_and_its_configurations(tmp_path: Path) -> None:
    names = built("standard", tmp_path)
    assert "multihead/experiments/train.yaml" in names
    assert set(names) == (
        files_below("platform/multihead", "multihead")
        | files_below("experiments", "multihead/experiments")
        | files_below("studies", "multihead/studies")
    )


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    """A copy of the configurations would hide what is edited in the checkout."""
    assert built("editable", tmp_path) == ["_multihead.pth"]


@pytest.mark.parametrize("folder", ["platform", "docker"])
def test_a_folder_named_like_an_imported_module_is_no_package(folder: str) -> None:
    """It would shadow `platform` of the standard library, or the `docker` that mlflow imports."""
    assert not (ROOT / folder / "__init__.py").exists()


def ignored(*paths: str) -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "check-ignore", "--no-index", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()


def test_ignore_patterns_spare_sources_named_like_output() -> None:
    sources = ["platform/multihead/runs", "platform/multihead/data", "experiments/data"]
    assert ignored(*(f"{s}{end}" for s in sources for end in ("", "/new.py"))) == []


def test_ignore_patterns_cover_what_running_leaves_behind() -> None:
    left = ["runs/a", "data/MNIST", ".venv/bin", "mlflow.db", "platform/multihead/__pycache__/a"]
    assert ignored(*left) == left


# ------------------------------------------------------------------------------------- set-up


def test_make_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z0-9%-]+):(?!=)", text, flags=re.MULTILINE)
    shown = subprocess.run(
        ["make"], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    ).stdout
    listed = [line.split()[0] for line in shown.splitlines() if line.split()[1:]]
    assert listed == [target.replace("%", "NAME") for target in targets]


class Checkout:
    """A copy of what set-up needs, and a stand-in for Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls.log"
        shutil.copytree(ROOT / "tools", folder / "tools")
        for name in [*LOCKS, "pyproject.toml"]:
            shutil.copy(ROOT / name, folder)
        self.python("python3", FAKE_PYTHON.format(log=self.log))

    def python(self, name: str, script: str) -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)

    def setup(self, kind: str, **more: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}:{os.environ['PATH']}"
        command = [self.folder / "tools" / "setup.sh", kind]
        env = environment(PATH=path, **more)
        return subprocess.run(command, env=env, capture_output=True, text=True)

    def calls(self, kind: str, **more: str) -> list[str]:
        """Set up, and return how Python was called meanwhile."""
        self.log.write_text("")
        done = self.setup(kind, **more)
        assert done.returncode == 0, done.stderr
        return self.log.read_text().splitlines()


def installs(calls: list[str]) -> list[str]:
    return [call.split(" install -qq ")[1] for call in calls if " install " in call]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_set_up_installs_by_hash_and_then_does_nothing(checkout: Checkout) -> None:
    first = checkout.calls("runtime")
    assert installs(first) == [
        "--no-deps --require-hashes -r requirements.lock",
        "--no-deps --no-build-isolation -e .",
    ]
    assert checkout.calls("runtime") == []


def test_the_development_set_up_serves_to_run_as_well(checkout: Checkout) -> None:
    checkout.calls("dev")
    assert checkout.calls("runtime") == []


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.calls("runtime")
    with (checkout.folder / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    calls = checkout.calls("runtime")
    assert len(installs(calls)) == 2
    assert not [call for call in calls if "venv" in call]


def test_a_set_up_that_died_is_begun_anew(checkout: Checkout) -> None:
    """What was half installed may look whole to pip."""
    checkout.calls("runtime")
    dead = subprocess.Popen(["true"])
    dead.wait()
    (checkout.folder / ".venv" / ".busy").write_text(f"{dead.pid}\n")
    assert "-m venv .venv" in checkout.calls("runtime")


def test_a_set_up_at_work_is_left_alone(checkout: Checkout) -> None:
    checkout.calls("runtime")
    (checkout.folder / ".venv" / ".busy").write_text(f"{os.getpid()}\n")
    done = checkout.setup("runtime")
    assert done.returncode == 1
    assert f"Process {os.getpid()} is setting up" in done.stderr


def test_a_set_up_that_failed_can_be_tried_again(checkout: Checkout) -> None:
    (checkout.folder / "offline").touch()
    assert checkout.setup("runtime").returncode == 1
    (checkout.folder / "offline").unlink()
    assert len(installs(checkout.calls("runtime"))) == 2


def test_an_environment_of_somebody_else_is_not_touched(checkout: Checkout) -> None:
    (checkout.folder / ".venv").mkdir()
    done = checkout.setup("runtime")
    assert done.returncode == 1
    assert "not made by this Makefile" in done.stderr
    assert list((checkout.folder / ".venv").iterdir()) == []


def test_an_old_python_is_named_in_one_line(checkout: Checkout) -> None:
    checkout.python(
        "old", '#!/bin/sh\ncase "$2" in *python_version*) echo 3.9.2 ;; *) exit 1; esac'
    )
    done = checkout.setup("runtime", PYTHON="old")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "multihead needs Python 3.11 or newer, but old is 3.9.2. "
        "Name another: PYTHON=python3.12 make ..."
    ]


def test_torch_from_another_index_leaves_the_rest_to_the_lock(checkout: Checkout) -> None:
    index = "http://127.0.0.1:9/simple"
    torch, vision = (f"{name}=={pins(LOCKS[0])[name]}" for name in ("torch", "torchvision"))
    assert installs(checkout.calls("runtime", TORCH_INDEX=index)) == [
        "--no-deps --require-hashes -r .venv/without-torch.lock",
        f"--no-deps --only-binary :all: --index-url {index} {torch} {vision}",
        "--no-deps --no-build-isolation -e .",
    ]
    kept = (checkout.folder / ".venv" / "without-torch.lock").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", kept, flags=re.MULTILINE))
    assert {"mlflow", "torchmetrics", "numpy", "nvidia-ml-py"} <= names
    dropped = pins(LOCKS[0]).keys() - names
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "cuda-toolkit"} <= dropped
    assert not [d for d in dropped if not d.startswith(("torch", "triton", "nvidia-", "cuda-"))]
    assert all(stanza in kept for name, stanza in stanzas(LOCKS[0]).items() if name in names)


def test_another_index_for_torch_means_another_environment(checkout: Checkout) -> None:
    """Pip takes any build of the pinned version for installed."""
    checkout.calls("runtime")
    assert "-m venv .venv" in checkout.calls("runtime", TORCH_INDEX="http://127.0.0.1:9/simple")


# ------------------------------------------------------------------------ the wheel, on its own


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the locked packages and the wheel alone; torch's gigabytes are linked, not copied."""
    folder = tmp_path_factory.mktemp("installed")
    built("standard", folder)
    rest, torch = folder / "rest.lock", folder / "torch.lock"
    subprocess.run([ROOT / "tools" / "split-lock.sh", ROOT / LOCKS[0], rest, torch], check=True)
    env = environment(PIP_COMPILE="0")  # of 25,000 modules a training imports a tenth
    venv.create(folder / "venv", with_pip=True)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip"]
    subprocess.run([ROOT / "tools" / "install.sh", folder / "venv", rest], env=env, check=True)
    link(re.findall(r"^([\w-]+)", torch.read_text(), flags=re.MULTILINE), folder / "venv")
    subprocess.run(
        [*pip, "install", "-qq", "--no-deps", *folder.glob("*.whl")], env=env, check=True
    )
    subprocess.run([*pip, "check"], env=env, check=True)
    yield folder / "venv"
    shutil.rmtree(folder)


def link(names: list[str], environment: Path) -> None:
    """Give an environment packages of the running one; a build of torch may lack some of them."""
    (site,) = environment.glob("lib/python3*/site-packages")
    for distribution in distributions():
        if canonicalize_name(distribution.name) in names:
            for name in {file.parts[0] for file in distribution.files or []}:
                if name not in ("..", "__pycache__") and not (site / name).exists():
                    (site / name).symlink_to(str(distribution.locate_file(name)))


def multihead(installed: Path, folder: Path, *arguments: str) -> str:
    """Run the installed command in a folder, with next to nothing in its environment."""
    env = {"PATH": os.defpath, "HOME": str(folder), "MULTIHEAD_HOME": str(folder / "home")}
    command = [installed / "bin" / "multihead", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow(minutes=1)
def test_the_installed_command_finds_its_experiments_and_trains_in_an_empty_folder(
    installed: Path, tmp_path: Path
) -> None:
    """One test, since two would each install gigabytes where tests run in parallel."""
    assert "train" in multihead(installed, tmp_path, "--help")
    assert "multihead_cnn_digits" in multihead(installed, tmp_path, "list")
    multihead(
        installed, tmp_path, "train", "experiment=multihead_cnn_digits", "trainer.max_epochs=1"
    )
    assert [f.name for f in tmp_path.iterdir() if not f.name.startswith(".")] == ["home"]
