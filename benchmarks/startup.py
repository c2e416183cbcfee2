"""Measure the time from a command to its first step or its output.

    python benchmarks/startup.py [--rounds 5] [--only runs list] [--out FOLDER]

Each command runs in a new process, in a new home with one finished run, one ablation and one study.
`train, first` has an empty home. The result is the minimum over `rounds` processes of wall time and
of CPU time (user and system, with children), because other processes only add time. For a training
a callback records the end of the first step. `ratio` is the CPU time divided by that of `import
lightning.pytorch`, which every training needs. It depends less on the load of the machine than
seconds. All files are in the page cache.
FOLDER gets startup.json and startup.md.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

STAMP = '''
import json, os, time
from lightning.pytorch.callbacks import Callback

class Stamp(Callback):
    """Note when the first step ended."""

    def on_train_batch_end(self, *_):
        path = os.environ.get("STARTUP_STAMP")
        if path and not os.path.exists(path):
            used = os.times()
            with open(path, "w") as file:
                json.dump({"at": time.time(), "processor": used.user + used.system}, file)
'''
MULTIHEAD = [sys.executable, "-m", "multihead"]
SMALL = ["experiment=multihead_cnn_digits", "trainer.max_epochs=1"]
TRAIN = [*MULTIHEAD, "train", *SMALL, "+callbacks.stamp={_target_: startup_stamp.Stamp}"]
STUDY = ["digits_quick", "name=startup"]
ABLATION = ["digits_single_vs_multitask", "name=startup"]
IMPORTS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "import lightning.pytorch": [sys.executable, "-c", "import lightning.pytorch"],
    "import mlflow": [sys.executable, "-c", "import mlflow"],
}
REFERENCE = "import lightning.pytorch"
COMMANDS = {
    "--help": [*MULTIHEAD, "--help"],
    "list": [*MULTIHEAD, "list"],
    "train, refused": [*MULTIHEAD, "train", *SMALL, "modle.x=1"],
    "train, first": TRAIN,
    "train": TRAIN,
    "runs": [*MULTIHEAD, "runs"],
    "runs --format csv": [*MULTIHEAD, "runs", "--format", "csv"],
    "report": [*MULTIHEAD, "report", "startup"],
    "study --export": [*MULTIHEAD, "study", *STUDY, "--export", "trials.csv"],
}
FAILS = {"train, refused": 2}
_TO_FIRST_STEP = ("train", "train, first")


def measured(
    command: list[str], folder: Path, home: Path, code: int = 0
) -> tuple[float, float, float, float]:
    """Run a command; return wall and CPU time to its first step, and to its end."""
    stamp = folder / "stamp.json"
    stamp.unlink(missing_ok=True)
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    given = {"MULTIHEAD_HOME": str(home), "STARTUP_STAMP": str(stamp), "PYTHONPATH": paths}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(
        command, env=os.environ | given, cwd=folder, capture_output=True, text=True, check=False
    )
    wall, after = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if not stamp.exists():
        return wall, used, wall, used
    noted = json.loads(stamp.read_text())
    return noted["at"] - began, noted["processor"], wall, used


def least(name: str, command: list[str], folder: Path, rounds: int) -> dict[str, float]:
    """Return the minimum of several processes."""
    found = []
    for number in range(rounds):
        home = folder / (f"new-{number}" if name == "train, first" else "home")
        found.append(measured(command, folder, home, FAILS.get(name, 0)))
    titles = ("wall", "processor", "wall_to_end", "processor_to_end")
    return dict(zip(titles, map(min, zip(*found, strict=True)), strict=True))


def prepare(folder: Path, names: list[str]) -> None:
    """Write the callback, and fill the home with the data of the commands."""
    (folder / "startup_stamp.py").write_text(STAMP)
    home = folder / "home"
    if any(name.startswith("runs") for name in names):
        measured([*MULTIHEAD, "train", *SMALL], folder, home)
    if "study --export" in names:
        few = ["n_trials=2", "workers=1", "confirm.seeds=0", "trainer.max_epochs=1"]
        measured([*MULTIHEAD, "study", *STUDY, *few], folder, home)
    if "report" in names:
        few = ["seeds=2", "workers=1", "trainer.max_epochs=1"]
        measured([*MULTIHEAD, "ablate", *ABLATION, *few], folder, home)


def as_markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the results as a table."""
    reference = found[REFERENCE]["processor"]
    lines = ["| command | wall s | processor s | ratio |", "|---|---|---|---|"]
    for name, each in found.items():
        title = f"{name}, to the first step" if name in _TO_FIRST_STEP else name
        ratio = each["processor"] / reference
        lines.append(f"| {title} | {each['wall']:.2f} | {each['processor']:.2f} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every command in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--out", type=Path, help="folder for startup.json and startup.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, options.only)
        chosen = IMPORTS | {name: COMMANDS[name] for name in options.only}
        for command in chosen.values():  # a warm-up for the page cache
            measured(command, folder, folder / "home", 2 if "modle.x=1" in command else 0)
        found = {name: least(name, c, folder, options.rounds) for name, c in chosen.items()}
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    libraries = ", ".join(f"{n} {version(n)}" for n in ("torch", "lightning", "mlflow"))
    table = as_markdown(found)
    print(f"{machine}; {libraries}; the least of {options.rounds}\n\n{table}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        record = {"machine": machine, "libraries": libraries, "rounds": options.rounds}
        text = json.dumps(record | {"seconds": found}, indent=2)
        (options.out / "startup.json").write_text(text)
        (options.out / "startup.md").write_text(table + "\n")


if __name__ == "__main__":
    main()
