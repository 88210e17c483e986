"""The page of a report in headless Chromium: hover, click, themes, a phone; skipped where there is no Chromium."""

import shutil
from dataclasses import replace

import pages
import pytest

from alphanet_plugin.report import write_page

webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs Chromium"),
]
DESK, PHONE = (1200, 900), (390, 800)
NETWORKS = "#pareto path[aria-roledescription=point]"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def open_page(browser, path, *, size=DESK, dark=False):
    """The page, drawn; the log of what it said is empty."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(path.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get(path.as_uri())
    until(browser, "document.documentElement.dataset.drawn")
    assert browser.get_log("browser") == []


def until(browser, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(f"return {condition}"))


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).innerText", selector)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return pages.write(tmp_path_factory.mktemp("page") / "report.html", "one", "two", title="one, two")


def test_hovering_over_a_network_tells_it(browser, page):
    open_page(browser, page)
    mark = browser.find_elements("css selector", NETWORKS)[-1]
    webdriver.ActionChains(browser).move_to_element(mark).perform()
    until(browser, "!document.getElementById('tip').hidden")
    told = text(browser, "#tip")
    for part in ("top-1", "MFLOPs", "parameters", "latency", "ms", "arch", "resolution=", "run"):
        assert part in told
    webdriver.ActionChains(browser).move_to_element(browser.find_element("css selector", "h1")).perform()
    until(browser, "document.getElementById('tip').hidden")
    assert browser.get_log("browser") == []


def test_a_click_copies_the_lines_that_load_it(browser, page):
    open_page(browser, page)
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    marks = browser.find_elements("css selector", NETWORKS)
    webdriver.ActionChains(browser).move_to_element(marks[33]).click().perform()
    until(browser, "document.getElementById('said').innerText.startsWith('copied')")
    lines = text(browser, "#lines")
    assert len(lines.splitlines()) == 3
    assert lines.startswith('from alphanet_plugin.runs import open_run\nrun = open_run("/runs/one")\n')
    assert 'run.subnet("resolution=' in lines
    copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")
    assert copied == lines
    compile(lines, "<copied>", "exec")


def test_a_published_one_is_loaded_by_its_name(browser, page):
    open_page(browser, page)
    browser.find_element("xpath", "//h2[.='Published models']/following::button[1]").click()
    until(browser, "document.getElementById('lines').innerText.includes('timm')")
    assert text(browser, "#lines").splitlines()[2] == ('model = timm.create_model("alphanet_a4.mine", pretrained=True)')


def test_the_cost_can_be_another(browser, page):
    open_page(browser, page)
    until(browser, "document.querySelector('#pareto svg').textContent.includes('MFLOPs')")
    choice = browser.find_element("css selector", ".controls select")
    choice.find_element("css selector", "option[value=latency_ms]").click()
    until(browser, "document.querySelector('#pareto svg').textContent.includes('latency (ms)')")
    assert browser.get_log("browser") == []


def ground(browser):
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def test_light_and_dark(browser, page):
    open_page(browser, page, dark=True)
    assert ground(browser) == "rgb(20, 25, 31)"
    browser.find_element("id", "theme").click()
    until(browser, "document.documentElement.dataset.theme == 'light'")
    assert ground(browser) == "rgb(255, 255, 255)"
    browser.refresh()
    until(browser, "document.documentElement.dataset.theme == 'light'")  # as it was chosen


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_down_alone(browser, page, dark):
    open_page(browser, page, size=PHONE, dark=dark)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    assert browser.execute_script("return document.querySelector('#pareto svg').getBoundingClientRect().right") <= 390
    assert browser.execute_script("return getComputedStyle(document.body).fontSize") == "15px"


def test_nothing_is_asked_of_a_network(browser, page):
    open_page(browser, page)
    asked = [entry["message"] for entry in browser.get_log("performance") if "requestWillBeSent" in entry["message"]]
    assert asked
    assert all("file:///" in message or "data:" in message for message in asked)


def test_a_key_names_what_its_chart_shows(browser, tmp_path):
    of_test = [replace(subnet, images="test") for subnet in pages.page_run().subnets]
    runs = [pages.page_run("one"), pages.page_run("two", subnets=of_test)]
    open_page(browser, write_page(runs, tmp_path / "report.html", title="one, two", subtitle="", tables=[]))
    keys = "Array.from(document.querySelectorAll('.key'), key => key.innerText.split(/\\s+/).join(' '))"
    assert browser.execute_script(f"return {keys}") == ["one", "one two"]
    from selenium.webdriver.support.ui import Select

    for select in browser.find_elements("css selector", "select"):
        if "test" in select.text:
            Select(select).select_by_visible_text("test")
            break
    until(browser, f"{keys}[0] === 'two'")
