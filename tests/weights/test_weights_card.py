"""What a model card says, and that the hub's client reads its metadata back."""

import re

import pytest
import timm
from huggingface_hub import ModelCard
from PIL import Image
from publications import ARCH, SPACE, model, publication

from alphanet_plugin import get_space
from alphanet_plugin.data import preparation_of
from alphanet_plugin.models import FAMILIES, entries, entry_archs, family_of, family_of_entry, protocols
from alphanet_plugin.shipped import shipped
from alphanet_plugin.spaces import list_spaces
from alphanet_plugin.spaces.table import written_table
from alphanet_plugin.weights import publish


@pytest.fixture(scope="module")
def net():
    return model()


def card_of(net, *arguments, **changed):
    folder = publish(net, publication(*arguments, **changed))
    card = ModelCard.load(folder / "README.md")
    assert "{{" not in card.content
    assert "{%" not in card.content
    return folder, card


@pytest.fixture(scope="module")
def card(net, tmp_path_factory):
    """Of the publication as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALPHANET_HOME", str(tmp_path_factory.mktemp("alphanet_home")))
        return card_of(net)[1]


def test_metadata_comes_back(card):
    data = card.data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "timm", "image-classification")
    assert {"timm", "alphanet", "image-classification"} <= set(data.tags)
    assert data.model_name == "alphanet_a1.digits"
    results = {result.metric_type: result for result in data.eval_results}
    assert results["accuracy"].metric_value == 97.5312
    assert results["top_5_accuracy"].metric_value == 99.7
    for result in results.values():
        assert (result.dataset_name, result.dataset_type, result.task_type) == ("digits",) * 2 + (
            "image-classification",
        )


def test_it_says_what_was_measured_and_how(card):
    text = " ".join(card.text.split())
    for part in (
        "Measured on 360 images of digits: Top-1 accuracy (%) 97.53, Top-5 accuracy (%) 99.70.",
        "Protocol: timm's, on test images.",
        protocols(ARCH.resolution),
        str(ARCH),
        "## Training The supernet was trained once",
        "epochs: 7 ``` ## The family",
        'timm.create_model("alphanet_a1.digits", pretrained=True)',
        "It knows the 10 classes of digits",
    ):
        assert part in text
    assert re.search(
        r"Latency: [\d.]+ ms median for 1 image\(s\) of 40 pixels on \S.*1 thread\(s\), eager float32, torch 2", text
    )


def test_both_counts_are_in_it_and_agree(net, card):
    mflops, params = f"{SPACE.mflops(ARCH, 10):.2f}", f"{SPACE.params(ARCH, 10, idle_shortcuts=False):,}"
    assert f"| closed form of the arch | {mflops} | {params} |" in card.text
    assert f"| fvcore, convolutions and linear layers | {mflops} | {params} |" in card.text
    assert re.search(r"\| fvcore, BatchNorm besides \| 0\.\d+ \| \|", card.text)
    assert re.search(r"\| fvcore, global pooling besides \| 0\.\d+ \| \|", card.text)
    assert "The first two agree to the last one" in card.text
    _, other = card_of(net, params=1)
    assert "The first two differ" in other.text


def test_published_figures_are_told_apart(net, card):
    for text, own, others in (
        (card.text, "| 78.9 | 78.94 |", "78.4"),
        (card_of(net, "attentive_nas_a1")[1].text, "| 78.4 |", "78.94"),
    ):
        assert own in text
        assert others not in text
        assert "as published for the authors' own weights" in text
        assert "**Not measured here" in text
        assert text.index("97.53") < text.index("as published"), "in sections of their own"
        assert "@inproceedings" in text


def test_every_entry_has_a_family():
    for architecture in [*entry_archs(), "alphanet_subnet"]:
        assert shipped(f"model_cards/{family_of_entry(architecture).card}.md").is_file()
    cards = [family_of_entry(name).card for name in ("attentive_nas_a1", "alphanet_a1", "alphanet_subnet")]
    assert cards == ["attentive_nas", "alphanet", "alphanet"]


def test_every_family_is_found_by_its_space_and_its_entries():
    every = set(entries.default_cfgs)
    assert every == {name for family in FAMILIES for name in (*family.archs, family.any_arch)}
    assert family_of_entry("resnet50") is None
    for name in list_spaces():
        family = family_of(get_space(name))
        assert family.space == name
        assert family_of_entry(family.any_arch).card == family.card
        for entry, arch in family.archs.items():
            assert family_of_entry(entry) is family
            assert get_space(name).validate(arch) == arch
    table = {
        **written_table(get_space("ofa_mbv3").table),
        "name": "ofa_mbv3_mine",
    }  # what a name begins with says nothing
    assert family_of(get_space(table=table)).any_arch == "mobile_subnet"


def test_the_picture_lies_beside(net, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    folder, card = card_of(net, picture=tmp_path / "x.png")
    assert "](pareto.png)" in card.text
    with Image.open(folder / "pareto.png") as picture:
        assert picture.size == (4, 4)
    folder, card = card_of(net, picture=tmp_path / "none.png")
    assert "pareto.png" not in card.text
    assert not (folder / "pareto.png").exists()


def test_weights_that_nobody_measured(net):
    source = {"checkpoint": "x.pth.tar", "sha256": "abc"}
    changed = {"metrics": {}, "recipe": {}, "protocol": "", "source": source, "license": "CC-BY-NC-4.0"}
    _, card = card_of(net, **changed)
    assert card.data.license == "cc-by-nc-4.0"
    assert not card.data.eval_results
    assert "Nothing was measured when these weights were published." in card.text
    assert "converted:\n\n| | |\n| --- | --- |\n| checkpoint | x.pth.tar |\n| sha256 | abc |\n\n" in card.text
    assert "does not allow commercial use" in card.text
    assert "```yaml" not in card.text
    _, card = card_of(net, **{**changed, "source": {}})
    assert "## Training\n\nNot recorded.\n\n## The family" in card.text


def test_source_and_recipe_together(net):
    _, card = card_of(net, source={"checkpoint": "x"}, protocol="")
    assert "Protocol: not recorded." in card.text
    assert re.search(r"\| checkpoint \| x \|\n\nThe supernet was trained once", card.text)


def test_its_code_prepares_images_as_evaluate_does():
    """Also those of a network that is tested at another size than it was trained at."""
    (code,) = re.findall(r"timm\.data\.create_transform\(\*\*(.*)\)\n", shipped("model_cards/template.md").read_text())
    model = timm.create_model("resnet10t")
    assert model.pretrained_cfg["test_input_size"] != model.pretrained_cfg["input_size"]
    values = eval(code, {"timm": timm, "model": model})
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()} == vars(
        preparation_of(model)
    )
