"""The public pages in a real browser; skipped where there is none."""

from __future__ import annotations

import os
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from emojifier_bot.web.server import WebServer
from tests.threads import in_thread
from tests.web_pages import LED_TO, PUBLIC, pages_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
QUIET = (
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
)
#: A small phone, a phone, a tablet, a desk.
WIDTHS_PX = (320, 390, 768, 1280)
HEIGHT_PX = 800
SCHEMES = ("light", "dark")
TAB, ENTER = "\ue004", "\ue007"
MAX_PAGE_BYTES = 150_000
#: WCAG 2.2: the least size of what is pressed (2.5.8), its edge's contrast (1.4.11).
MIN_TARGET_PX, MIN_EDGE_CONTRAST = 24, 3

each_page = pytest.mark.parametrize("path", [*PUBLIC, *LED_TO])
each_width = pytest.mark.parametrize("width", WIDTHS_PX)
each_scheme = pytest.mark.parametrize("scheme", SCHEMES)

COLOURS = """
const channels = text => {
  const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return [r, g, b, a];
};
const over = (top, below) =>
  [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const ground = element => {
  const layers = [];
  for (let one = element; one; one = one.parentElement)
    layers.push(channels(getComputedStyle(one).backgroundColor));
  return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 1]);
};
const luminance = ([r, g, b]) => [r, g, b]
  .map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
"""
LUMINANCE = COLOURS + "return luminance(ground(document.body));"
#: Texts whose contrast is below AA: 4.5, or 3 for large ones.
FAINT_TEXTS = (
    COLOURS
    + """
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.data.trim();
  if (!text) continue;
  const element = walker.currentNode.parentElement;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const below = ground(element);
  const ratio = contrast(over(channels(style.color), below), below);
  if (ratio < (large ? 3 : 4.5)) faint.push([text, ratio]);
}
return faint;
"""
)
EDGE_CONTRAST = (
    COLOURS
    + """
const button = document.querySelector(".button");
const edge = channels(getComputedStyle(button).borderTopColor);
return contrast(edge, ground(button.parentElement));
"""
)
BROKEN_PICTURES = """
return [...document.images].filter(one => !one.complete || !one.naturalWidth)
  .map(one => one.src);
"""
TOO_WIDE = """
return [...document.querySelectorAll("body *")]
  .filter(one => {
    const box = one.getBoundingClientRect();
    return box.width && box.left >= 0 && box.right > innerWidth + 0.5;
  })
  .map(one => one.outerHTML.slice(0, 80));
"""
FOCUSED = """
const one = document.activeElement, style = getComputedStyle(one);
const box = one.getBoundingClientRect();
return {
  name: one.className || one.id || one.textContent.trim(),
  outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
  isInView: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0,
};
"""
SMALL_TARGETS = """
const inText = one => one.closest("p") && !one.matches(".button");
return [...document.querySelectorAll("a:not(.skip)")]
  .filter(one => !inText(one))
  .filter(one => Math.min(one.getBoundingClientRect().height,
                          one.getBoundingClientRect().width) < arguments[0])
  .map(one => one.textContent);
"""
LOADED = """
return performance.getEntriesByType("resource")
  .concat(performance.getEntriesByType("navigation"))
  .map(one => [one.name, one.encodedBodySize]);
"""


@pytest.fixture(scope="module")
def address():
    server = WebServer(pages_app(), host="127.0.0.1", port=0, threads=8)
    with in_thread(server.run, server.stop):
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    if browser is None or driver is None:
        pytest.skip("needs Chromium and its driver: chromium, chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in QUIET:
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture
def show(chromium, address):
    """Return a function that opens a page as somebody would see it."""

    def show(path: str, width: int = 1280, scheme: str = "light", **media: str):
        wanted = {"prefers-color-scheme": scheme, **media}
        names = {name: name.replace("_", "-") for name in wanted}
        features = [{"name": names[k], "value": one} for k, one in wanted.items()]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        screen = {"width": width, "height": HEIGHT_PX, "deviceScaleFactor": 1}
        command = "Emulation.setDeviceMetricsOverride"
        chromium.execute_cdp_cmd(command, screen | {"mobile": False})
        chromium.get_log("browser")
        chromium.get(f"{address}{path}")
        return chromium

    return show


def press(browser, key: str) -> None:
    webdriver.ActionChains(browser).send_keys(key).perform()


@each_width
@each_page
def test_nothing_is_wider_than_the_screen(show, path, width):
    browser = show(path, width)

    assert browser.execute_script("return document.documentElement.scrollWidth") <= (
        width
    )
    assert browser.execute_script(TOO_WIDE) == []


@each_page
def test_pictures_are_loaded_and_nobody_complains(show, path):
    browser = show(path)

    complaints = [entry["message"] for entry in browser.get_log("browser")]
    # That the page itself says 404, the browser finds worth a word.
    assert [one for one in complaints if f"{path} - Failed to load" not in one] == []
    assert browser.execute_script(BROKEN_PICTURES) == []


@each_page
def test_little_is_loaded_and_all_of_it_from_here(show, address, path):
    loaded = show(path).execute_script(LOADED)

    assert sum(size for _, size in loaded) < MAX_PAGE_BYTES
    assert [name for name, _ in loaded if not name.startswith(address)] == []


@each_scheme
@each_page
def test_texts_stand_out(show, path, scheme):
    assert show(path, scheme=scheme).execute_script(FAINT_TEXTS) == []


@each_scheme
@pytest.mark.parametrize("path", ["/", *LED_TO])
def test_the_button_stands_out(show, path, scheme):
    browser = show(path, scheme=scheme)

    assert browser.execute_script(EDGE_CONTRAST) >= MIN_EDGE_CONTRAST


def test_dark_is_dark(show):
    assert show("/", scheme="light").execute_script(LUMINANCE) > 0.8
    assert show("/", scheme="dark").execute_script(LUMINANCE) < 0.05


def test_keys_lead_past_the_top_to_the_button(show):
    browser = show("/", 390)
    press(browser, TAB)
    skip = browser.execute_script(FOCUSED)
    press(browser, TAB)
    button = browser.execute_script(FOCUSED)

    assert (skip["name"], skip["isInView"]) == ("skip", True)
    assert (button["name"], button["isInView"]) == ("button", True)
    assert min(skip["outline"], button["outline"]) >= 2


@each_page
def test_the_first_key_leads_past_the_top(show, path):
    browser = show(path)
    press(browser, TAB)
    press(browser, ENTER)

    assert browser.execute_script(FOCUSED)["name"] == "main"
    assert browser.current_url.endswith("#main")


@each_page
def test_what_is_pressed_is_large_enough(show, path):
    assert show(path, 320).execute_script(SMALL_TARGETS, MIN_TARGET_PX) == []


@each_width
@pytest.mark.parametrize("path", PUBLIC)
def test_what_a_screen_reader_hears_of(show, path, width):
    tree = show(path, width).execute_cdp_cmd("Accessibility.getFullAXTree", {})
    nodes = [node for node in tree["nodes"] if not node["ignored"]]
    roles = {node["role"]["value"] for node in nodes}

    assert {"banner", "main", "contentinfo", "navigation", "heading"} <= roles
    if path != "/":
        assert {"table", "row", "rowheader", "columnheader", "cell"} <= roles


def test_who_wants_no_motion_gets_none(show):
    browser = show("/", prefers_reduced_motion="reduce")
    moving = browser.execute_script(
        "return [...document.querySelectorAll('*')]"
        ".filter(one => parseFloat(getComputedStyle(one).transitionDuration)).length"
    )

    assert moving == 0


@pytest.mark.parametrize("path", PUBLIC)
def test_on_paper_it_is_ink_on_white(show, path):
    browser = show(path, scheme="dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})

    assert browser.execute_script(LUMINANCE) == 1
    assert browser.execute_script(FAINT_TEXTS) == []
    assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"]


#: What somebody who got mark-up into a page would try; gives what the browser stopped.
SMUGGLED = """
const [elsewhere, , done] = arguments, stopped = [];
addEventListener("securitypolicyviolation",
  event => stopped.push(event.effectiveDirective));
const add = (name, more) =>
  document.body.append(Object.assign(document.createElement(name), more));
window.smuggled = false;
add("script", {textContent: "window.smuggled = true"});
add("script", {src: elsewhere});
add("script", {src: "/static/icon.png"});
add("img", {src: elsewhere});
add("iframe", {src: elsewhere});
add("object", {data: elsewhere});
add("base", {href: elsewhere});
add("div", {innerHTML: "<b style='color: red' onclick='x'>x</b>"});
add("style", {textContent: "body { display: none }"});
fetch(elsewhere).catch(() => {});
const form = document.createElement("form");
form.action = elsewhere;
document.body.append(form);
form.submit();
const wanted = new Set(arguments[1]), began = Date.now();
const look = () => {
  if (wanted.size === new Set(stopped).size || Date.now() - began > 60000)
    done([window.smuggled, [...new Set(stopped)].sort()]);
  else setTimeout(look, 20);
};
look();
"""
STOPPED = {
    "base-uri",
    "connect-src",
    "form-action",
    "frame-src",
    "img-src",
    "object-src",
    "script-src-attr",
    "script-src-elem",
    "style-src-attr",
    "style-src-elem",
}


@each_page
def test_what_is_smuggled_in_does_nothing(show, path):
    browser = show(path)
    browser.set_script_timeout(120)

    ran, stopped = browser.execute_async_script(
        SMUGGLED, "http://127.0.0.1:1/x", sorted(STOPPED)
    )

    assert not ran
    assert set(stopped) == STOPPED


@each_page
def test_no_other_page_frames_it(show, address, path):
    browser = show(path)
    browser.get(f"data:text/html,<iframe src='{address}{path}'></iframe>")

    browser.switch_to.frame(0)

    def refused(_browser) -> bool:
        return browser.execute_script("return location.protocol") == "chrome-error:"

    WebDriverWait(browser, 120).until(refused)
