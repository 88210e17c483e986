"""timm's own tests/test_models.py, unedited, over our entries, with ``pytest -m conformance``."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import timm

sys.path.insert(0, str(Path(__file__).parent))

from timm_tests import ENTRIES, EXCLUDED, NotAvailable, run

from alphanet_plugin.models import entries

# What timm asks of every model. Its filters pass external models over without a word, so it is checked that each ran.
REQUIRED = {
    "test_model_forward",
    "test_model_backward",
    "test_model_default_cfgs",
    "test_model_forward_torchscript",
    "test_model_forward_features",
    "test_model_forward_intermediates_features",
    "test_model_forward_intermediates",
    "test_prune_intermediate_layers_contract",
    "test_model_forward_fx",
    "test_model_backward_fx",
    "test_model_forward_fx_torchscript",
}


def test_every_entry_is_tested_or_excluded_for_a_reason():
    ours = set(entries.default_cfgs)
    assert {*ENTRIES, *EXCLUDED} == ours
    assert ours <= set(timm.list_models())


@pytest.mark.conformance
@pytest.mark.timeout(1800)
def test_all_entries(tmp_path):
    report = tmp_path / "report.xml"
    try:
        done = run(ENTRIES, f"--junitxml={report}")
    except NotAvailable as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout
    ran = {entry: set() for entry in ENTRIES}
    for case in ElementTree.parse(report).iter("testcase"):
        name, _, rest = case.attrib["name"].partition("[")
        assert not list(case), f"{case.attrib['name']} did not pass:\n{done.stdout}"
        ran[rest.rstrip("]").rpartition("-")[2]].add(name)
    for entry, names in ran.items():
        assert names >= REQUIRED, f"{entry}: {REQUIRED - names} did not run"
