"""Make the pictures of the documentation from real runs; `make pictures` calls it.

Three trainings and one study of scikit-learn's digits, a few minutes in all, and the recorded
ablation of docs/results/ablations/planted. A home that has the study already does not run it again.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
from architecture import drawing
from playwright.sync_api import Browser, Page, sync_playwright

from multihead.figures.conflict import conflict_figure
from multihead.tracking.store import UI_VIEW

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 200_000  # bytes
COMMAND = Path(sys.executable).with_name("multihead")
TRAINING = [
    *("train", "experiment=multihead_cnn_digits", "trainer.max_epochs=10"),
    *("callbacks=conflict", "callbacks.conflict.every=5"),
]
RATES = [
    *("train", "-m", "experiment=multihead_cnn_digits", "trainer.max_epochs=10"),
    *("model.optimizer.lr=0.0005,0.008", "name=lr-${model.optimizer.lr}"),
]
# What matplotlib writes as black on white, where the reader's system is dark.
DARK = """<style>@media (prefers-color-scheme: dark) {
[style*="fill: #ffffff"] { fill: #1e2129 !important; }
[style*="stroke: #000000"] { stroke: #eceef5 !important; }
g[id^="text_"] { fill: #eceef5; }
}</style>"""


def multihead(home: Path, *arguments: str) -> str:
    """Run a command and return what it prints."""
    environment = {**os.environ, "MULTIHEAD_HOME": str(home)}
    command = [str(COMMAND), *arguments]
    return subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@contextmanager
def ui(home: Path) -> Iterator[str]:
    """Serve the MLflow UI of a home, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MULTIHEAD_HOME": str(home)}
    command = [str(COMMAND), "ui", "--port", str(port)]
    silent = subprocess.DEVNULL  # a line per request
    server = subprocess.Popen(command, env=environment, stdout=silent, stderr=silent)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health")
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urlopen(address).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"{address} does not answer.")


def shoot_run(browser: Browser, address: str, path: Path) -> None:
    """Take MLflow's page of a run, without its menu, MLflow's assistant and the right column."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(address)
    _clear(page)
    page.get_by_role("button", name="Expand description").click()
    _take(page, path, 930, 862)


def shoot_version(browser: Browser, address: str, path: Path) -> None:
    """Take MLflow's page of a version of a registered model, down to its description."""
    page = browser.new_page(viewport={"width": 1240, "height": 900})
    page.goto(address)
    _clear(page)
    _take(page, path, 1192, 620)


def shoot_charts(browser: Browser, address: str, path: Path) -> None:
    """Take MLflow's charts of an experiment, those of the heads' accuracies."""
    page = browser.new_page(viewport={"width": 1240, "height": 700})
    page.goto(address)
    _clear(page)
    page.get_by_placeholder("Search metric charts").fill("^(train|val)/.*_acc$")
    _take(page, path, 1192, 692)


def _clear(page: Page) -> None:
    """Close MLflow's assistant and its menu."""
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Toggle sidebar").click()


def _take(page: Page, path: Path, width: int, height: int) -> None:
    page.wait_for_timeout(2000)
    page.screenshot(path=path, clip={"x": 48, "y": 8, "width": width, "height": height})
    page.close()


def shoot_page(
    browser: Browser, file: Path, path: Path, size: tuple[int, int], scheme: str
) -> None:
    """Take the top of a page of ours, in light or dark colours."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.wait_for_timeout(2000)
    page.screenshot(path=path)
    page.close()


def draw_conflict(table: Path, path: Path) -> None:
    """Draw the heat map that a training with `callbacks=conflict` leaves, for light and dark."""
    rows = pd.read_csv(table)
    whole = rows[rows["stage"] == "backbone"]
    conflict_figure(whole, "Gradients of pairs of heads on the backbone", path)
    path.write_text(re.sub(r"(<svg\b[^>]*>)", rf"\1\n{DARK}", path.read_text(), count=1))


def make(home: Path, work: Path) -> None:
    """Train, search, report, and write every picture."""
    (PICTURES / "architecture.svg").write_text(drawing())
    told = multihead(home, *TRAINING)
    run = Path(re.search(r"^run \S+ +(.+)$", told, re.MULTILINE)[1])
    place = re.findall(r"^link +http://[^/]+/(.+)$", told, re.MULTILINE)[-1]
    draw_conflict(run / "gradients.csv", PICTURES / "conflict.svg")
    multihead(home, *RATES)
    multihead(home, "promote", run.name, "--name", "digits", "--alias", "champion")
    multihead(home, "study", "digits_quick", "workers=1")
    study = next(home.glob("*/study/study.html"))
    planted = ROOT / "docs" / "results" / "ablations" / "planted"
    multihead(home, "report", str(planted), "--out", str(work / "report"))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with ui(home) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot_run(browser, f"{address}/{place}", PICTURES / "run-page.png")
        version = f"{address}/#/models/digits/versions/1?{UI_VIEW}"
        shoot_version(browser, version, PICTURES / "model-version.png")
        charts = f"{address}/{place.partition('/runs/')[0]}/runs?compareRunsMode=CHART&{UI_VIEW}"
        shoot_charts(browser, charts, PICTURES / "charts.png")
        for scheme in ("light", "dark"):
            ablation = PICTURES / f"ablation-{scheme}.png"
            shoot_page(browser, work / "report" / "report.html", ablation, (1100, 1285), scheme)
            shoot_page(browser, study, PICTURES / f"study-{scheme}.png", (1000, 1045), scheme)
        browser.close()
    for picture in PICTURES.glob("*.*"):
        if picture.stat().st_size > LARGEST:
            raise SystemExit(f"{picture} has more than {LARGEST:,} bytes.")


def main() -> None:
    """Make the pictures in a home of their own, unless another is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="where the runs are kept (default: nowhere)")
    home = parser.parse_args().home
    with tempfile.TemporaryDirectory() as work:
        make((home or Path(work) / "home").resolve(), Path(work))


if __name__ == "__main__":
    main()
