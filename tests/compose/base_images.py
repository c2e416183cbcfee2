"""The base images that the compose files pin, and what stands in for them on this machine.

python -m tests.compose.base_images     prints VARIABLE=image for each stand-in
"""

import functools
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker/auth.yml", "docker/s3.yml", "docker/ray.yml")
PINNED = re.compile(r"\$\{(\w+_IMAGE):-([^}@]+)@(sha256:[0-9a-f]{64})\}")


@functools.cache
def stand_ins() -> dict[str, str]:
    """Return by variable the images that were made on this machine under the name of a base image.

    They have no digest, since they come from no registry; a machine without one has them to test.
    """
    text = "".join((ROOT / file).read_text() for file in FILES)
    tags = {variable: tag for variable, tag, _ in PINNED.findall(text)}
    return {variable: tag for variable, tag in tags.items() if _is_made_here(tag)}


def _is_made_here(tag: str) -> bool:
    command = ["docker", "image", "inspect", "--format", "{{len .RepoDigests}}", tag]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() == "0"


if __name__ == "__main__":
    sys.stdout.writelines(f"{variable}={tag}\n" for variable, tag in stand_ins().items())
