"""The report on an ablation in a real browser: wide and narrow, by mouse and by keyboard."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.report.ablations import HOSTILE, ablation

from multihead.report.ablation import write

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARMS = ("single", "uniform", HOSTILE, "d" * 90)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a failed run, a name that is a script and a very long one."""
    result = ablation(ARMS, ("digit", "h" * 70, HOSTILE), seeds=3, failed=(("uniform", 2),))
    return write(result, tmp_path_factory.mktemp("report"))


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desktop", "phone"])
def opened(request: pytest.FixtureRequest, file: Path) -> Iterator[Page]:
    """The page from the disk; whatever it loads or complains of fails."""
    width, scheme = request.param
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda r: r.url == file.as_uri() or complaints.append(r.url))
        page.goto(file.as_uri())
        yield page
        browser.close()
        assert not complaints


def test_the_page_is_as_wide_as_the_screen(opened: Page) -> None:
    """Tables scroll in boxes of their own."""
    widths = opened.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] == widths[1]


def test_an_arm_is_switched_off_and_on_by_keyboard(opened: Page) -> None:
    switch = opened.locator(".arms input").nth(1)
    shown = opened.locator('main [data-arm="1"]:not(label)')
    count = shown.count()
    assert count > 10
    switch.focus()
    opened.keyboard.press("Space")
    assert shown.evaluate_all("all => all.filter((e) => e.getClientRects().length).length") == 0
    opened.keyboard.press("Space")
    assert shown.evaluate_all("all => all.filter((e) => e.getClientRects().length).length") > 10


def test_values_are_read_by_mouse_and_by_keyboard(opened: Page) -> None:
    tip = opened.locator("#tip")
    row = opened.locator("#intervals ~ .charts [data-tip]").first
    row.hover()
    expect(tip).to_contain_text("uniform: ")
    expect(tip).to_contain_text("seed 1: ")
    curve = opened.locator("#curves ~ .charts svg.chart").first
    curve.focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("epoch 1")
    opened.keyboard.press("Escape")
    expect(tip).to_be_empty()


def test_everything_one_can_use_has_a_name(opened: Page) -> None:
    nodes = opened.context.new_cdp_session(opened).send("Accessibility.getFullAXTree")["nodes"]
    usable = [
        node["name"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in ("checkbox", "link", "image")
    ]
    assert len(usable) > 10
    assert all(usable)


def test_printed_it_hides_what_cannot_be_used_on_paper(opened: Page) -> None:
    opened.emulate_media(media="print")
    expect(opened.locator(".arms")).to_be_hidden()
    expect(opened.locator("#intervals ~ .print")).to_be_visible()
