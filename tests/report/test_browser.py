"""The page in a browser: it sorts, filters, opens cases by keyboard, and prints.

SCREENSHOTS names a folder that receives pictures of it.
"""

import base64
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("no Chromium with its driver")
    options = selenium.ChromeOptions()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    window = selenium.Chrome(options, selenium.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def window(browser, page, desk):
    """The page, just opened, in the light."""
    emulate(browser, "light")
    view(browser, 1280)
    browser.get((desk / "report.html").as_uri())
    return browser


def emulate(browser, scheme, media=""):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def view(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def js(window, code, *arguments):
    return window.execute_script(code, *arguments)


def all_of(window, selector):
    return window.find_elements("css selector", selector)


def one(window, selector):
    return window.find_element("css selector", selector)


def column(window, i):
    cells = all_of(window, f"#rows-body tr > :nth-child({i + 1})")
    return [cell.text for cell in cells]


def shot(window, name):
    pixels = window.get_screenshot_as_png()
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(pixels)
    return np.asarray(Image.open(io.BytesIO(pixels)).convert("RGB"), np.float64)


def test_loads_without_a_word_on_the_console(window):
    assert window.get_log("browser") == []
    assert window.title.startswith("before.json → after.json")
    assert one(window, "#rows").is_displayed()


def test_sorts_by_every_column(window, page):
    heads = [head.text.split(" ")[0] for head in all_of(window, "#rows-head th[data-column]")]
    gain = heads.index("gain")
    first = [float(text) for text in column(window, gain) if text != "–"]
    assert first == sorted(first)
    button = one(window, f"#rows-head th[data-column='{gain}'] button")
    button.send_keys("\ue007")
    again = [float(text) for text in column(window, gain) if text != "–"]
    assert again == sorted(first, reverse=True)
    head = one(window, f"#rows-head th[data-column='{gain}']")
    assert head.get_attribute("aria-sort") == "descending"
    one(window, "#rows-head th[data-column='0'] button").send_keys("\ue007")
    names = column(window, 0)
    assert names == sorted(names)
    assert len(names) == len(page.data["rows"])


def test_filters(window, page):
    one(window, "#rows-text").send_keys("000003 person")
    assert set(column(window, 0)) == {"000003.png"}
    assert all(name.startswith("person") for name in column(window, 1))
    one(window, "#rows-text").clear()
    one(window, "#rows-text").send_keys("nobody of this name")
    assert column(window, 0) == []
    assert one(window, "#rows-count").text == f"0 of {len(page.data['rows'])} rows"
    one(window, "#rows-text").clear()
    one(window, "#rows-text").send_keys(" ")
    one(window, "#rows-kind option[value='shown']").click()
    assert len(column(window, 0)) == 24


def test_opens_a_case_by_keyboard(window):
    assert not one(window, "#viewer").is_displayed()
    link = one(window, "#rows-body a")
    number = link.get_attribute("href").rpartition("-")[2]
    link.send_keys("\ue007")
    assert one(window, "#viewer").is_displayed()
    assert one(window, "#viewer-place").text.startswith(f"case {number} of 24")
    assert len(all_of(window, "#viewer-stage img")) in (2, 3)
    assert js(window, "return document.querySelector('#viewer-stage img').naturalWidth") == 280
    one(window, "#viewer-next").send_keys("\ue014")
    assert one(window, "#viewer-place").text.startswith(f"case {int(number) % 24 + 1} of")
    shot(window, "case")
    window.switch_to.active_element.send_keys("\ue00c")
    assert not one(window, "#viewer").is_displayed()
    # The keyboard goes on where it was.
    assert js(window, "return document.activeElement === arguments[0]", link)


def test_is_dark_where_that_is_asked_for(window):
    light = shot(window, "light")
    emulate(window, "dark")
    dark = shot(window, "dark")
    assert light.mean() > 200
    assert dark.mean() < 70
    assert np.ptp(light) > 200
    label = "return getComputedStyle(document.querySelector('.panel text')).fill"
    assert js(window, label) == "rgb(230, 234, 238)"
    emulate(window, "dark", "print")
    assert js(window, label) == "rgb(28, 33, 38)"


def test_fits_a_narrow_window(window):
    for width in (360, 768):
        view(window, width)
        assert js(window, "return document.documentElement.scrollWidth") <= width
        shot(window, f"width-{width}")


def test_prints_every_table(window):
    printed = window.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    data = base64.b64decode(printed["data"])
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") > 5
    emulate(window, "light", "print")
    assert not one(window, "nav").is_displayed()
    js(window, "dispatchEvent(new Event('beforeprint'))")
    assert all(js(window, "return [...document.querySelectorAll('details')].map(d => d.open)"))
    js(window, "dispatchEvent(new Event('afterprint'))")
    assert not any(js(window, "return [...document.querySelectorAll('details')].map(d => d.open)"))
