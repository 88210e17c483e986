"""The page of a report, as text; `test_report_page_in_browser.py` looks at it in Chromium."""

import json
import re

import pages
import pytest

from alphanet_plugin.report import PageRun, PageTable, write_page


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_it_holds_what_it_shows(tmp_path):
    path = pages.write(tmp_path / "new" / "report.html", "one", "two", title="one, two")
    data = data_of(path)
    assert [run["name"] for run in data["runs"]] == ["one", "two"]
    assert len(data["runs"][0]["subnets"]) == 40
    assert data["runs"][0]["curve"][0]["kd_loss"] is None  # a step of one pass has none
    assert data["tables"][0]["rows"] == [["one", "90.00"]]
    assert "<title>one, two</title>" in path.read_text(encoding="utf-8")


def test_it_is_one_file_that_asks_for_nothing(tmp_path):
    text = pages.write(tmp_path / "report.html").read_text(encoding="utf-8")
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["'](?!data:)""", own)
    assert "default-src 'none'" in own  # a browser refuses whatever a library would fetch
    assert len(text) < 1_000_000


def test_text_cannot_end_its_script(tmp_path):
    path = pages.write(tmp_path / "report.html", title="<b>&")
    assert data_of(path)["runs"][0]["config"].endswith("</script><b>'}\n")
    assert "&lt;b&gt;&amp;" in path.read_text(encoding="utf-8")
    assert "</script><b>" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("runs", "name", "message"),
    [
        ([], "r.html", "at least one run"),
        ([pages.page_run(), pages.page_run()], "r.html", "each by another name"),
        ([pages.page_run()], "r.png", r"should end in \.html"),
    ],
)
def test_what_is_no_page_is_refused(runs, name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_page(runs, tmp_path / name, title="t")
    assert not list(tmp_path.iterdir())


def test_a_run_of_which_nothing_is_known(tmp_path):
    path = write_page(
        [PageRun(name="bare", series="bare", load="")], tmp_path / "r.html", title="bare",
        tables=[PageTable(title="t", rows=[["a"]])],
    )  # fmt: skip
    assert data_of(path)["runs"][0]["subnets"] == []
