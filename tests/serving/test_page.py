"""The page in a real browser, by mouse, by keyboard and as a screen reader is told of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from tests.serving.conftest import serving

from multihead.runs.execute import RunResult

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HEADS = ("digit", "thickness", "smoothness")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]


@pytest.fixture(scope="module")
def address(trained: RunResult, trained_home: Path) -> Iterator[str]:
    """A server's address."""
    with serving(str(trained.run_id), trained_home) as base:
        yield base


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, address: str) -> Iterator[Page]:
    """The loaded page; whatever the browser complains of, or loads from elsewhere, fails."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=request.param)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith(address) or complaints.append(r.url))
        page.goto(address)
        expect(page.get_by_label("Example").get_by_role("option")).to_have_count(9)
        yield page
        browser.close()
        assert not [c for c in complaints if not c.startswith("data:,")]


def _answers(page: Page) -> dict[str, str]:
    """Every head's answer, once the table has one for each, with a probability."""
    expect(page.locator("#rows tr")).to_have_count(len(HEADS))
    found = {}
    for head in HEADS:
        cells = page.get_by_role("row", name=head).get_by_role("cell")
        assert cells.nth(1).inner_text().endswith("%")
        found[head] = cells.nth(0).inner_text()
    return found


def test_a_digit_is_drawn_with_the_mouse(page: Page) -> None:
    box = page.get_by_label("Picture for the model").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(x, y + 0.9 * box["height"], steps=5)
    page.mouse.up()
    drawn = _answers(page)
    assert set(drawn) == set(HEADS)
    heard = page.locator("#message")
    expect(heard).to_contain_text(f"digit: {drawn['digit']}, ")
    assert heard.get_attribute("role") == "status"


def test_a_digit_is_drawn_with_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_label("Picture for the model")).to_be_focused()
    for key in ("ArrowUp", "ArrowUp", "Space", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("#pen-status")).to_have_text("The pen is down, column 5, row 6.")
    ink = page.evaluate("[...pixels()].filter((value) => value > 127).length")
    assert ink >= 4
    assert set(_answers(page)) == set(HEADS)
    page.keyboard.press("Delete")
    assert page.evaluate("pixels().every((value) => value === 0)")


def test_an_uploaded_picture_is_what_the_model_sees(page: Page, tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    page.get_by_label("Upload a picture").set_input_files(tmp_path / "one.png")
    assert set(_answers(page)) == set(HEADS)
    assert page.evaluate("[...pixels()]") == pixels.ravel().tolist()


def test_what_is_no_picture_is_said_aloud(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    page.get_by_label("Upload a picture").set_input_files(tmp_path / "notes.png")
    expect(page.locator("#message")).to_have_text(
        "No answer: notes.png is not a picture that this browser reads"
    )


def test_an_example_gets_the_servers_answer(page: Page) -> None:
    page.get_by_label("Example").select_option("Example 2")
    shown = _answers(page)
    body = page.evaluate(
        """async () => (await (await fetch("invocations", {method: "POST", body: pixels(),
        headers: {"Content-Type": "application/octet-stream"}})).json()).predictions[0]"""
    )
    assert shown == {head: str(body[head]) for head in HEADS}


def test_everything_one_can_use_has_a_name(page: Page) -> None:
    page.get_by_label("Example").select_option("Example 1")
    _answers(page)
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    usable = [
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node["ignored"]
        and any(p["name"] == "focusable" and p["value"]["value"] for p in node["properties"])
        and node["role"]["value"] != "RootWebArea"
    ]
    assert len(usable) >= 6
    assert all(name for _, name in usable), usable
