"""`tools/install.sh` with TORCH_INDEX: two real package indexes, with hostile names in both."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"


class Index:
    """A folder that pip reads as a package index, by a file URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def add(self, name: str, version: str, *needs: str) -> str:
        """Add a wheel, and return its line in a lock."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        wheel = place / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        asked = "".join(f"Requires-Dist: {need}\n" for need in needs)
        with zipfile.ZipFile(wheel, "w") as file:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asked}"
            file.writestr(f"{info}/METADATA", metadata)
            file.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            file.writestr(f"{info}/RECORD", "")
        links = "".join(f'<a href="{w.name}">{w.name}</a>\n' for w in sorted(place.glob("*.whl")))
        (place / "index.html").write_text(links)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


class Place:
    """A virtual environment, a lock of `torch`, `torchvision` and `maths`, and two indexes.

    The lock's own build of torch needs nothing; that of TORCH_INDEX what its `needs` say.
    """

    def __init__(self, folder: Path, empty: Path) -> None:
        self.folder = folder
        self.usual, self.torch = Index(folder / "usual"), Index(folder / "torch")
        self.lock = folder / "requirements.lock"
        self.lock.write_text(
            self.usual.add("maths", "1.0")
            + self.usual.add("torch", "2.0")
            + self.usual.add("torchvision", "0.2", "torch")
        )
        self.torch.add("torchvision", "0.2+other", "torch", "maths")
        self.venv = folder / "venv"
        shutil.copytree(empty, self.venv, symlinks=True)

    @property
    def site(self) -> Path:
        return self.venv / PYTHON / "site-packages"

    def needs(self, *requirements: str) -> None:
        """Say what torch of TORCH_INDEX asks for."""
        self.torch.add("torch", "2.0+other", *requirements)

    def install(self, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the script; nothing but the two indexes is reached."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        return subprocess.run(
            [ROOT / "tools" / "install.sh", self.venv, self.lock],
            env=inherited
            | {
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_INDEX_URL": self.usual.url,
                "PIP_NO_CACHE_DIR": "1",
                "TORCH_INDEX": self.torch.url,
            }
            | more,
            capture_output=True,
            text=True,
        )

    def installed(self) -> dict[str, str]:
        """Return the versions of what the script installed."""
        names = (path.name.removesuffix(".dist-info") for path in self.site.glob("*.dist-info"))
        found = dict(name.rsplit("-", 1) for name in names)
        return {n: version for n, version in found.items() if n not in ("pip", "setuptools")}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with pip, and with `packaging`, which every lock has."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=True)
    locked = str(distribution("packaging").locate_file("packaging"))
    shutil.copytree(locked, folder / PYTHON / "site-packages" / "packaging")
    return folder


@pytest.fixture
def place(tmp_path: Path, empty: Path) -> Place:
    return Place(tmp_path, empty)


EXPECTED = {"maths": "1.0", "torch": "2.0+other", "torchvision": "0.2+other"}


@pytest.mark.slow
def test_a_higher_version_in_the_other_index_is_never_installed(place: Place) -> None:
    """It may be anybody's: of two indexes, pip takes the highest version of a name from either."""
    place.needs("maths", "nvidia-blas", "triton>=3", "cuda-all[blas]")
    place.torch.add("nvidia-blas", "13.0", "nvidia-link>=1")
    place.torch.add("nvidia-link", "1.0")
    place.torch.add("triton", "3.0")
    place.torch.add("cuda-all", "13.0", "nvidia-rand; extra == 'blas'", "absent; extra == 'x'")
    place.torch.add("nvidia-rand", "10.0")
    for name in ("torch", "torchvision", "nvidia-blas", "nvidia-link", "nvidia-rand", "triton"):
        place.usual.add(name, "999")
    place.usual.add("cuda-all", "999")
    place.torch.add("maths", "999")
    done = place.install(PIP_EXTRA_INDEX_URL=place.usual.url)
    assert done.returncode == 0, done.stderr
    assert place.installed() == EXPECTED | {
        "cuda_all": "13.0",
        "nvidia_blas": "13.0",
        "nvidia_link": "1.0",
        "nvidia_rand": "10.0",
        "triton": "3.0",
    }


@pytest.mark.slow
@pytest.mark.parametrize("need", ["helper", "maths>=2"])
def test_what_is_neither_locked_nor_of_an_accelerator_is_refused(place: Place, need: str) -> None:
    """Neither index may say what it is."""
    place.needs(need)
    for index in (place.usual, place.torch):
        index.add(need.split(">")[0], "999")
    done = place.install()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"torch from TORCH_INDEX needs {need}, which is neither in the lock nor a library of an "
        "accelerator (nvidia-*, cuda-*, triton). Name an index whose torch does without."
    ]
    assert place.installed() == EXPECTED


@pytest.mark.slow
def test_a_second_index_in_the_configuration_of_pip_is_refused(place: Place) -> None:
    place.needs("maths")
    config = place.folder / "pip.conf"
    config.write_text(f"[global]\nextra-index-url = {place.usual.url}\n")
    place.usual.add("torch", "999")
    done = place.install(PIP_CONFIG_FILE=str(config))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("pip's configuration has global.extra-index-url=")
    assert "torch" not in place.installed()


@pytest.mark.slow
def test_libraries_that_contradict_each_other_end_in_a_line(place: Place) -> None:
    """Each round would put right what the one before put wrong, for ever."""
    place.needs("nvidia-a", "nvidia-b==2")
    place.torch.add("nvidia-a", "1", "nvidia-b==1")
    place.torch.add("nvidia-b", "1")
    place.torch.add("nvidia-b", "2")
    done = place.install()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "contradict each other" in line
