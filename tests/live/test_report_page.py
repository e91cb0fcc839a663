"""The report in a real browser: it works with the keyboard, asks for nothing, and axe finds nothing to complain of."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import axe_core_python
import pytest

from lab.analysis import analyse
from lab.analysis.compare import compare
from lab.report.page import page
from lab.report.pairing import crossing_rungs
from lab.report.twopage import two_page
from lab.store.reader import read_capture
from tests.golden.canonical import CAPTURES, analysis_of
from tests.live.conftest import private_folder
from tests.live.test_languages import build
from tests.marked import MARK

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PAGES = [
    capture for capture in CAPTURES if capture.stem in {"demo", "lost-segments-v6", "refused", "reset-by-client-v6"}
]
CONTAINER = ("docker", "run", "--rm", *MARK, "--network", "none", "--cap-drop", "ALL")
TAPS = CAPTURES[0].parent / "two-taps"
DUMP = ("--virtual-time-budget=20000", "--dump-dom")
MOST_PAPER = 12
"""Sheets for the demo's 20 frames."""
TELL = "const told = document.createElement('pre'); told.id = 'told'; document.body.append(told);"


@pytest.fixture(scope="session")
def browser() -> str:
    """The image with the browser."""
    return build("echolab/browser", str(Path(__file__).parent / "browser"))


def ran(browser: str, folder: Path, html: str, script: str, width: int = 1100) -> Any:
    """What a script, added to a page, tells after it has run in the browser: it sets ``told.textContent`` to JSON."""
    text = html.replace("</body>", f"<script>{TELL}\n{script}</script></body>")
    (folder / "page.html").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            *CONTAINER,
            "-v",
            f"{folder}:/pages:ro",
            browser,
            f"--window-size={width},900",
            *DUMP,
            "file:///pages/page.html",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))


def two_taps() -> str:
    """The report of two taps."""
    near, far = (analyse(read_capture(TAPS / f"{side}.pcap").frames)[0] for side in ("client", "server"))
    found = compare(near, far)
    return two_page(found, crossing_rungs(found), ["client.pcap", "server.pcap"])


@pytest.mark.parametrize("capture", [*PAGES, TAPS], ids=lambda capture: capture.stem)
def test_axe_finds_nothing(capture: Path, browser: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    html = two_taps() if capture == TAPS else page(analysis_of(capture), capture.name)
    script = AXE + "\naxe.run().then((r) => { told.textContent = JSON.stringify({violations: r.violations.map((v) =>"
    script += " [v.id, v.nodes.slice(0, 3).map((n) => n.html)]), passes: r.passes.length}); });"
    found = ran(browser, private_folder(tmp_path_factory, "page"), html, script)
    assert found["violations"] == []
    assert found["passes"] > 20


def test_axe_finds_what_is_wrong(browser: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    small = next(capture for capture in PAGES if capture.stem == "refused")
    html = page(analysis_of(small), "x").replace('<html lang="en">', "<html>").replace("#57606a", "#c7ccd1")
    script = AXE + "\naxe.run().then((r) => { told.textContent = JSON.stringify(r.violations.map((v) => v.id)); });"
    found = ran(browser, private_folder(tmp_path_factory, "page"), html, script)
    assert {"html-has-lang", "color-contrast"} <= set(found)


def test_fields_and_octets_light_up_together_under_the_arrow_keys(
    browser: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = """
    const frame = document.querySelector("#frame-3");
    const lit = () => [...frame.querySelectorAll("b.on")].map((one) => one.textContent).join("");
    const row = frame.querySelector("tr[data-f]");
    const before = lit();
    row.focus();
    const first = [document.activeElement.cells[0].textContent, lit()];
    for (let i = 0; i < 2; i++)
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true}));
    const third = [document.activeElement.cells[0].textContent, lit()];
    document.activeElement.blur();
    told.textContent = JSON.stringify([before, first, third, lit(), performance.getEntriesByType("resource").length]);
    """
    html = page(analysis_of(PAGES[0]), "x")
    assert PAGES[0].stem == "demo"
    before, first, third, after, fetched = ran(browser, private_folder(tmp_path_factory, "page"), html, script)
    assert (before, after, fetched) == ("", "", 0)
    assert first == ["Destination", "0242c633640a"]
    assert third == ["EtherType", "0800"]


@pytest.mark.parametrize("width", [500, 1100])
def test_nothing_is_wider_than_the_window_and_an_octet_names_its_field(
    width: int, browser: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = """
    const place = (one) => one.getBoundingClientRect();
    const scrolls = (one) => one.closest(".wide, .dump") && !one.matches(".wide, .dump");
    const wide = [...document.querySelectorAll("main *, header *")]
      .filter((one) => !scrolls(one) && !one.matches(".skip") && place(one).right > innerWidth + 1)
      .map((one) => one.outerHTML.slice(0, 80));
    const ladder = place(document.querySelector("[aria-labelledby=ladder] svg")).width;
    const octet = document.querySelector("#frame-3 .dump .layer-2");
    octet.scrollIntoView({block: "center"});
    octet.dispatchEvent(new MouseEvent("mouseenter"));
    const row = document.querySelector("#frame-3 tr.on");
    const colour = (one) => getComputedStyle(one).backgroundColor;
    const look = [row.cells[0].textContent, colour(row), colour(octet)];
    octet.dispatchEvent(new MouseEvent("mouseleave"));
    const [scroll, after] = [document.documentElement.scrollWidth, document.querySelectorAll(".on").length];
    told.textContent = JSON.stringify({wide, inner: innerWidth, scroll, ladder, look, after});
    """
    found = ran(browser, private_folder(tmp_path_factory, "page"), page(analysis_of(PAGES[0]), "x"), script, width)
    assert found["wide"] == []
    assert found["scroll"] <= found["inner"] == width
    assert found["ladder"] >= 700  # its words stay large enough to read: a narrow window scrolls it
    assert found["look"] == ["Source port", "rgb(255, 243, 196)", "rgb(255, 243, 196)"]
    assert found["after"] == 0


def test_on_paper_it_takes_few_sheets_and_no_heading_is_left_alone(
    browser: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = private_folder(tmp_path_factory, "page")

    def sheets(html: str) -> int:
        (folder / "page.html").write_text(html, encoding="utf-8")
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --print-to-pdf=/tmp/a.pdf"
        print_it = f"chromium {flags} file:///pages/page.html >&2 && cat /tmp/a.pdf"
        done = subprocess.run(
            [*CONTAINER, "-v", f"{folder}:/pages:ro", "--entrypoint", "sh", browser, "-c", print_it],
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.stdout.startswith(b"%PDF"), done.stderr[-2000:]
        return len(re.findall(rb"/Type /Page\b(?!s)", done.stdout))

    html = page(analysis_of(PAGES[0]), "x")
    assert "h2,h3,h3+p{break-after:avoid}" in html
    assert 3 < sheets(html) <= MOST_PAPER
    assert sheets(html.replace("@media print{", "@media nothing{")) > 2 * MOST_PAPER
