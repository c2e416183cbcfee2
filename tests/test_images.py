"""The base images: pinned by digest, and renewed by `make images`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = sorted([ROOT / "docker-compose.yml", *(ROOT / "docker").glob("*.yml")])
DOCKERFILES = [f for f in ROOT.rglob("*Dockerfile*") if ".venv" not in f.parts]
PINNED = re.compile(r"\$\{(\w+_IMAGE):-([\w./:-]+:[\w.-]+)@sha256:[0-9a-f]{64}\}")
OURS = re.compile(r"\$\{IMAGE:-multihead\}[a-z-]*:\$\{TAG:-latest\}")


class _Loader(yaml.SafeLoader):
    """Read compose's own tags, such as !reset, as what they stand before."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_object)


def _values(tree: Any, key: str) -> Iterator[str]:
    """Yield every text that stands under a key, at any depth."""
    if isinstance(tree, dict):
        yield from (v for k, v in tree.items() if k == key and isinstance(v, str))
    for child in (
        tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    ):
        yield from _values(child, key)


@pytest.mark.parametrize("file", COMPOSE, ids=lambda f: f.name)
def test_every_image_of_a_compose_file_is_pinned_or_built_here(file: Path) -> None:
    tree = yaml.load(file.read_text(), _Loader)
    images = [*_values(tree, "image"), *_values(tree, "PYTHON_IMAGE")]
    assert images
    for image in images:
        assert PINNED.fullmatch(image) or OURS.fullmatch(image), image


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.name)
def test_every_image_of_a_dockerfile_is_pinned_or_a_stage_of_it(file: Path) -> None:
    text = file.read_text()
    pinned = re.findall(r"^ARG (\w+_IMAGE)=[\w./:-]+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    allowed = {f"${{{name}}}" for name in pinned} | set(
        re.findall(r"^FROM .* AS (\S+)$", text, re.M)
    )
    used = re.findall(r"^FROM (\S+)|--from=(\S+)|^# *syntax *= *(\S+)", text, re.MULTILINE)
    assert used
    for names in used:
        assert "".join(names) in allowed


def test_an_image_is_pinned_to_one_digest_in_all_files() -> None:
    text = "".join(f.read_text() for f in [*COMPOSE, *DOCKERFILES])
    found = set(re.findall(r"(\w+_IMAGE)(?::-|=)([^}\s\"]+@[^}\s\"]+)", text))
    assert len(found) == len({name for name, _ in found}) == 3


# A stand-in for the engine's command: it answers `pull` as docker does, with a digest of the name.
FAKE_DOCKER = """#!/bin/sh
case "$2" in *absent*) echo "manifest unknown" >&2; exit 1 ;; esac
echo "${2#*:}: Pulling from library/${2%%:*}"
echo "Digest: sha256:$(printf %s "$2" | sha256sum | cut -d' ' -f1)"
echo "Status: Image is up to date for $2"
"""


def pin(folder: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    (folder / "docker").write_text(FAKE_DOCKER)
    (folder / "docker").chmod(0o755)
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    command = [ROOT / "tools" / "pin-images.sh", *files]
    return subprocess.run(command, env=env, capture_output=True, text=True)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [Path(shutil.copy(f, tmp_path)) for f in [*COMPOSE, *DOCKERFILES]]


def test_renewing_changes_the_digests_and_nothing_else(tmp_path: Path, files: list[Path]) -> None:
    before = [f.read_text() for f in files]
    done = pin(tmp_path, *files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    after = [f.read_text() for f in files]
    digest = re.compile(r"@sha256:[0-9a-f]{64}")
    assert [digest.sub("", text) for text in after] == [digest.sub("", text) for text in before]
    old, new = (set(digest.findall("".join(texts))) for texts in (before, after))
    assert len(new) == 3
    assert not old & new
    assert pin(tmp_path, *files).returncode == 0
    assert [f.read_text() for f in files] == after


def test_a_tag_that_was_changed_by_hand_gets_its_own_digest(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("a: ${A_IMAGE:-base:2@sha256:" + 64 * "0" + "}\nb: ${A_IMAGE:-base:21}\n")
    assert pin(tmp_path, file).returncode == 0
    first, second = file.read_text().splitlines()
    assert re.fullmatch(r"a: \$\{A_IMAGE:-base:2@sha256:[1-9a-f][0-9a-f]{63}\}", first)
    assert re.fullmatch(r"b: \$\{A_IMAGE:-base:21@sha256:[0-9a-f]{64}\}", second)
    assert first[-65:] != second[-65:]


def test_nothing_is_written_unless_every_image_is_found(tmp_path: Path, files: list[Path]) -> None:
    absent = tmp_path / "more.yml"
    absent.write_text("image: ${Z_IMAGE:-absent:1}\n")
    before = [f.read_text() for f in files]
    done = pin(tmp_path, *files, absent)
    assert done.returncode == 1
    assert done.stderr == "manifest unknown\n"
    assert [f.read_text() for f in files] == before
