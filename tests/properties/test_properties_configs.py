"""Whatever a configuration or an arch says, it is read or refused in one line."""

from functools import lru_cache

import pytest
import yaml
from failing import fails_in_one_line
from hypothesis import given
from hypothesis import strategies as st
from mutated import VALUES, mutated

from alphanet_plugin.config import (
    DivergencesConfig,
    FinetuneConfig,
    NetworkRunConfig,
    RunConfig,
    StudyConfig,
    identity,
    parse_yaml,
    read_config,
    to_yaml,
)
from alphanet_plugin.models import named_arch, read_arch
from alphanet_plugin.runs.building import build_kd_loss, build_sampler, build_space, kd_loss_of
from alphanet_plugin.shipped import shipped
from alphanet_plugin.spaces import Arch, UsMobileNetV2Space, get_space

CONFIGS = {
    "digits.yaml": RunConfig,
    "us_mobilenet_v2_digits.yaml": RunConfig,
    "distill/digits.yaml": NetworkRunConfig,
    "finetune/digits.yaml": FinetuneConfig,
    "studies/figure2.yaml": DivergencesConfig,
    "studies/ablation_digits.yaml": StudyConfig,
}
SPACE = get_space("attentive_nas")
ARCH = SPACE.presets["a0"].to_dict()


@lru_cache
def shipped_values(name):
    return yaml.safe_load(shipped(f"configs/{name}").read_text())


def used(config):
    """What a run makes of its configuration before it begins."""
    if isinstance(config, RunConfig):
        build_space(config)
        build_kd_loss(config)
        build_sampler(config, 10)
        identity(config)
    elif isinstance(config, NetworkRunConfig):
        kd_loss_of(config.distillation)


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name, tmp_path, tried):
    path = tmp_path / "config.yaml"

    @tried
    @given(mutated(shipped_values(name)))
    def check(values):
        path.write_text(yaml.safe_dump(values))
        with fails_in_one_line():
            config = read_config(CONFIGS[name], path)
            parse_yaml(to_yaml(config), "what was written")
            used(config)

    check()


def test_overrides(tried):
    @tried
    @given(st.sampled_from(["kd", "kd.clip", "seed", "space", "data.mean", "x.y", ".", "training.lr"]), VALUES)
    def check(key, value):
        with fails_in_one_line():
            used(read_config(RunConfig, "configs/digits.yaml", [f"{key}={yaml.safe_dump(value)}"]))

    check()


def test_texts(tried):
    @tried
    @given(st.text(alphabet="[]{}&*!?:,-#|>%@`'\"<~ \n\tabe01._=", max_size=40))
    def check(text):
        with fails_in_one_line():
            parse_yaml(text, "it")
        with fails_in_one_line():
            read_config(RunConfig, "configs/digits.yaml", [text])
        with fails_in_one_line():
            named_arch(text, SPACE)

    check()


def test_archs(tmp_path, tried):
    path = tmp_path / "arch.yaml"

    @tried
    @given(mutated(ARCH) | VALUES)
    def check(values):
        path.write_text(yaml.safe_dump(values))
        for read in (lambda: named_arch(str(path), SPACE), lambda: read_arch(path), lambda: read_arch(values)):
            with fails_in_one_line():
                read()
        with fails_in_one_line():
            read_arch(values, UsMobileNetV2Space)
        with fails_in_one_line():
            SPACE.mflops(SPACE.validate(values))
        with fails_in_one_line():
            Arch.parse(str(values))

    check()
