"""Names on every page, in a real browser: nothing runs, nothing is loaded, all is text."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import optuna
import pandas as pd
import pytest
import uvicorn
from markdown_it import MarkdownIt
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from playwright.sync_api import Browser, Page, sync_playwright
from tests.hostile.names import LONG, MARKDOWN, MATHEMATICS, NAMES, RUNS_SCRIPTS, TERMINAL
from tests.ports import free_port
from tests.report.ablations import ablation

from multihead import Head, Heads, Source
from multihead.ablation.result import Check
from multihead.heads import Parameter
from multihead.hosts import KnownHosts
from multihead.inspection.inspect import inspect_sources
from multihead.markdown import escaped, fenced
from multihead.markdown import table as markdown_table
from multihead.models.simple_cnn import SimpleCNN
from multihead.report.ablation import page as ablation_page
from multihead.report.dataset import dataset_page
from multihead.runs.load import LoadedRun
from multihead.serving.app import Limits, make_app
from multihead.serving.model import ServedModel
from multihead.studies.definition import Definition
from multihead.studies.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]
TEXTS = (*RUNS_SCRIPTS, *MARKDOWN[:3], *TERMINAL[:-1], *MATHEMATICS, *LONG[:3])
# What a page shows of itself, and what would be a stranger's.
_STRANGERS = """() => [
    window.ran ?? "nothing",
    ...[...document.querySelectorAll("a[href], img, iframe, object, embed, form, base, link")]
        .map((e) => e.getAttribute("href") ?? e.getAttribute("src") ?? e.tagName)
        .filter((address) => !/^(data:|#|page.css$|http:..127.0.0.1:)/.test(address)),
]"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page of a browser that remembers what it should not have done."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.page: Page = browser.new_page()
        self.complaints: list[str] = []
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("request", self._request)
        self.page.goto(address)
        self._address = address

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:", "file:", "http://127.0.0.1:")):
            self.complaints.append(request.url)

    def check(self, *shown: str) -> None:
        """Nothing ran, nothing was asked for, and these texts are there to be read."""
        self.page.wait_for_timeout(500)
        assert self.page.evaluate(_STRANGERS) == ["nothing"]
        assert self.complaints == []
        text = self.page.evaluate("document.documentElement.textContent")
        for word in shown:
            assert word in text, word
        hidden = self.page.evaluate(
            "document.body.innerText.match(/[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\x00\\x1b]/u)"
        )
        assert hidden is None
        self.page.close()


def _report() -> str:
    arms, metric = ("single", *TEXTS), f"{RUNS_SCRIPTS[2]}_acc"
    result = ablation(arms, (RUNS_SCRIPTS[1], TERMINAL[6]), seeds=2, metric=metric, epochs=2)
    runs = result.runs
    for column in ("run", "state", "reason", "host", "config_hash", "data_digest"):
        runs[column] = [TEXTS[i % len(TEXTS)] for i in range(len(runs))]
    runs["url"] = ["javascript:window.ran='address'", RUNS_SCRIPTS[7]] * (len(runs) // 2)
    return ablation_page(
        replace(
            result,
            runs=runs,
            name=RUNS_SCRIPTS[3],
            url="javascript:window.ran='record'",
            definition=f"name: {RUNS_SCRIPTS[3]}",
            commands=TEXTS,
            functions=TEXTS,
            protocol=tuple(Check(text, False, text) for text in TEXTS),
        )
    )


def _dataset() -> str:
    rng = np.random.default_rng(0)
    parameter = Parameter(1, 100, "log", unit=RUNS_SCRIPTS[0])
    heads = [
        Head("note", 256, kind="ordinal", parameter=parameter),
        Head("kind", len(TEXTS), TEXTS),
    ]
    labels = {"note": rng.integers(0, 256, 60), "kind": np.arange(60) % len(TEXTS)}
    images = rng.integers(0, 256, (60, 1, 8, 8)).astype(np.uint8)
    source = Source(RUNS_SCRIPTS[3], images, labels, Heads(heads), (0.5,), (0.5,))
    return dataset_page(inspect_sources({"train": source, RUNS_SCRIPTS[1]: source}, samples=40))


def _study() -> str:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names, metric = [*RUNS_SCRIPTS[:2], RUNS_SCRIPTS[7], LONG[0]], RUNS_SCRIPTS[6]
    searched = (
        FloatDistribution(0, 20),
        CategoricalDistribution(TEXTS),
        FloatDistribution(1e-9, 1, log=True),
        IntDistribution(0, 20),
    )
    study = optuna.create_study(directions=["maximize", "minimize"])
    for i in range(12):
        values = (i + 0.1, TEXTS[i], 10.0 ** -(i % 5 + 1), i)
        study.add_trial(
            optuna.create_trial(
                params=dict(zip(names, values, strict=True)),
                distributions=dict(zip(names, searched, strict=True)),
                values=[i / 10, (i - 5) ** 2],
                user_attrs={"cause": TEXTS[i], TEXTS[i]: TEXTS[i]},
            )
        )
    objectives = {metric: "maximize", TERMINAL[2]: "minimize"}
    table = pd.DataFrame({"number": range(len(TEXTS)), "state": "FAIL", "cause": TEXTS})
    definition = SimpleNamespace(name=RUNS_SCRIPTS[3], objectives=objectives, several=True)
    return _written(lambda path: write_page(study, cast(Definition, definition), table, path))


def _markdown() -> str:
    """The note of a run and the text of a report are made of these, whoever renders them."""
    table = pd.DataFrame({"name": TEXTS, RUNS_SCRIPTS[0]: 0.5})
    parts = [*map(escaped, NAMES), *map(fenced, NAMES), markdown_table(table)]
    return MarkdownIt("commonmark", {"html": True}).enable("table").render("\n\n".join(parts))


def _written(write: Callable[[Path], None]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "page.html")
        return (Path(folder) / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("made", [_report, _dataset, _study, _markdown])
def test_a_page_shows_any_name_and_runs_none(
    made: Callable[[], str], browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"<meta charset=utf-8>{made()}" if made is _markdown else made())
    Watched(browser, path.as_uri()).check(RUNS_SCRIPTS[0], RUNS_SCRIPTS[1])


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a server whose model, classes and unit have such names."""
    heads = Heads(
        [
            Head("kind", 3, (RUNS_SCRIPTS[0], TERMINAL[6], LONG[0])),
            Head("note", 256, kind="ordinal", parameter=Parameter(1, 100, unit=RUNS_SCRIPTS[1])),
        ]
    )
    record = {"heads": heads, "image_shape": (1, 8, 8), "mean": (0.5,), "std": (0.5,)}
    network = SimpleCNN(1, 2, 2, 4, heads.outputs, input_size=8)
    examples = np.zeros((1, 8, 8, 1), np.uint8)
    model = ServedModel(LoadedRun(network, record, {}), examples, RUNS_SCRIPTS[2], "run")
    port = free_port()
    app = make_app(model, Limits(), KnownHosts([f"127.0.0.1:{port}"]))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join()


def test_the_page_of_a_server_shows_any_name_and_runs_none(browser: Browser, served: str) -> None:
    watched = Watched(browser, served)
    watched.page.get_by_label("Example").select_option("Example 1")
    watched.page.locator("#rows tr").nth(1).wait_for()
    watched.check(*RUNS_SCRIPTS[:3], "\\u{202e}")
