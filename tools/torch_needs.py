"""Print what the installed torch and torchvision need and do not find, one requirement a line.

Only names of TORCH_INDEX are printed: libraries of an accelerator. Everything else that torch needs
must be in the lock, which install.sh installed before; if it is not, this ends with a line and 1.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = ("torch", "torchvision")
OF_TORCH_INDEX = re.compile(r"(torch|torchvision|nvidia-.+|cuda-.+|(pytorch-)?triton(-.+)?)")


def needs(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what an installed package asks for here, with some of its extras."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


def is_satisfied(requirement: Requirement) -> bool:
    """Return whether a version that the requirement allows is installed."""
    try:
        version = distribution(requirement.name).version
    except PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def missing() -> dict[str, Requirement]:
    """Return by its text what torch, torchvision and their libraries need and do not find."""
    found: dict[str, Requirement] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, frozenset[str]()) for name in ROOTS]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        for requirement in needs(*place):
            name = canonicalize_name(requirement.name)
            if not is_satisfied(requirement):
                found[f"{name}{requirement.specifier}"] = requirement
            elif OF_TORCH_INDEX.fullmatch(name):
                waiting.append((name, frozenset(requirement.extras)))
    return found


def main() -> None:
    """Print what is to be taken from TORCH_INDEX, or end with what cannot be."""
    found = missing()
    others = [
        text
        for text, requirement in found.items()
        if not OF_TORCH_INDEX.fullmatch(canonicalize_name(requirement.name))
    ]
    if others:
        sys.exit(
            f"torch from TORCH_INDEX needs {', '.join(sorted(others))}, which is neither in the "
            f"lock nor a library of an accelerator (nvidia-*, cuda-*, triton). Name an index "
            f"whose torch does without."
        )
    sys.stdout.writelines(f"{text}\n" for text in sorted(found))


if __name__ == "__main__":
    main()
