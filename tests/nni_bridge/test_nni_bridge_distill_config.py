"""What a distiller's config list may hold, and what a mistake in it is answered with."""

import importlib.metadata

import pytest
from distilling import ask, student, teacher, torch_evaluator
from nni.compression.utils import TransformersEvaluator
from torch import nn

from alphanet_plugin.nni_bridge import AlphaLayerwiseDistiller
from alphanet_plugin.nni_bridge.distill.distill_config import as_nni_has_it, checked_config_list

HEAD = {"op_names": ["classifier"], "link": "fc"}


@pytest.fixture(scope="module")
def models():
    return student(), teacher()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"aply_method": "kl"}, r"'aply_method' is no key; .* did you mean 'apply_method'\?"),
        ({"lamda": 1.0}, r"'lamda' is no key; .* did you mean 'lambda'\?"),
        (
            {"apply_method": "alfa"},
            r"one of 'adaptive_alpha', 'alpha', 'kl', 'reverse_kl', 'symmetric_kl', .*got 'alfa'; did you .*'alpha'\?",
        ),
        ({"apply_method": ["kl"]}, "apply_method must be one of"),
        (
            {"apply_method": "adaptive_alpha", "alpha": 1},
            r"'alpha' does not belong here: .* takes 'alpha_min', 'alpha_max'",
        ),
        ({"apply_method": "adaptive_alpha", "alpha_mim": -1}, r"'alpha_mim' is no key; .* did you mean 'alpha_min'\?"),
        ({"apply_method": "adaptive_alpha", "alpha_min": 2}, "alpha_min must not exceed alpha_max"),
        ({"apply_method": "alpha"}, "takes 'alpha', 'clip', 'form', 'temperature', and 'alpha' is missing"),
        ({"apply_method": "alpha", "alpha": "1"}, "alpha must be a number from -1e.06 to 1e.06, got '1'"),
        ({"apply_method": "alpha", "alpha": 1, "clip": 0}, "clip must be a number above 0, or math.inf"),
        ({"apply_method": "alpha", "alpha": 1, "form": "papper"}, "form must be one of 'reference', 'paper', 'exact'"),
        ({"apply_method": "kl", "temperature": 0}, "temperature must be a number from 1e-06 to 1e.06, got 0"),
        ({"apply_method": "kl", "clip": 5}, "'clip' does not belong here: apply_method 'kl' takes 'temperature'"),
        ({"apply_method": "mse", "temperature": 2}, "apply_method 'mse' takes no keys of its own"),
        ({"temperature": 2}, "apply_method 'mse' takes no keys of its own"),
        ({"kd": "kl"}, "kd is a section with a name, .*, not 'kl'"),
        ({"kd": {"name": "kl", "clip": 5}}, "'clip' does not belong here: apply_method 'kl' takes 'temperature'"),
        ({"apply_method": "kl", "kd": {"name": "kl"}}, "give kd or apply_method, not both"),
        ({"lambda": "1"}, "lambda must be a finite number, got '1'"),
        ({"lambda": float("nan")}, "lambda must be a finite number, got nan"),
        ({"lambda": True}, "lambda must be a finite number, got True"),
        ({"link": "fcc"}, r"link: teacher_model has no module 'fcc'; did you mean 'fc'\?"),
        ({"link": ["fc", "global_pol"]}, "no module 'global_pol'; did you mean 'global_pool'"),
        ({"link": 3}, "link takes a list of names, got 3"),
        ({"link": "auto"}, "link 'auto' looks for the student's names; .* teacher_model has no module 'classifier'"),
        ({"op_names": ["clasifier"]}, r"op_names: model has no module 'clasifier'; did you mean 'classifier'\?"),
        ({"op_names": "classifier"}, "op_names takes a list of names, got 'classifier'"),
        ({"op_types": ["Conv3d"], "op_names": []}, "no module of model is selected"),
        ({"target_names": ["_input_0"]}, "compare outputs only .*, not '_input_0'"),
        ({"target_settings": {"weight": {}}}, "compare outputs only .*, not 'weight'"),
        (
            {"target_settings": {"_output_0": {"apply_method": "kl", "temperatur": 2}}},
            r"target_settings\['_output_0'\]: 'temperatur' is no key; .* did you mean 'temperature'\?",
        ),
        (
            {"target_settings": {"_output_0": {"link": "fc", "apply_method": "alpha"}}},
            r"target_settings\['_output_0'\]: .*'alpha' is missing",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_mistake_names_entry_nearest_and_allowed(models, entry, words):
    with pytest.raises(ValueError, match=words) as caught:
        checked_config_list([HEAD, {**HEAD, **entry}], *models)
    selected = {**HEAD, **entry}["op_names"]
    assert str(caught.value).startswith(f"config_list[1] (op_names {selected}")


def test_an_entry_must_select_something(models):
    with pytest.raises(ValueError, match=r"config_list\[0\] \(selects nothing\): give one of op_names, op_names_re"):
        checked_config_list([{"apply_method": "kl"}], *models)


def test_a_mistake_leaves_both_models_unwrapped_and_usable(models):
    with pytest.raises(ValueError, match="did you mean 'fc'"):
        AlphaLayerwiseDistiller(models[0], [{**HEAD, "link": "fcc"}], torch_evaluator(models[0]), models[1], ask)
    AlphaLayerwiseDistiller(models[0], [HEAD], torch_evaluator(models[0]), models[1], ask)


def test_integers_are_taken_for_lambda_and_the_list_given_stays_as_it_was():
    model, entry = student(), {**HEAD, "lambda": 2, "apply_method": "alpha", "alpha": -1, "clip": None}
    given = [dict(entry)]
    distiller = AlphaLayerwiseDistiller(model, given, torch_evaluator(model), teacher(), ask)
    assert given == [entry]
    (target,) = distiller._target_spaces["classifier"].values()
    assert target.lambda_ == 2.0
    assert isinstance(target.lambda_, float)
    assert target.setting == {"lambda": 2.0, "link": ["fc"], "apply_method": "alpha", "alpha": -1, "clip": None}


def test_a_kd_section_stands_for_a_method_and_its_keys(models):
    flat = {"apply_method": "adaptive_alpha", "clip": 3.0, "temperature": 2.0}
    section = {"name": "adaptive_alpha", "clip": 3.0, "temperature": 2.0}
    assert checked_config_list([{**HEAD, "kd": section}], *models) == checked_config_list([{**HEAD, **flat}], *models)


@pytest.mark.parametrize("method", ["reverse_kl", "symmetric_kl"])
def test_every_kd_loss_is_a_method(models, method):
    (checked,) = checked_config_list([{**HEAD, "apply_method": method, "temperature": 2.0}], *models)
    assert as_nni_has_it([checked])[0]["apply_method"] == "kl"


def test_patterns_and_types_select_as_in_nni(models):
    entry = {"op_names_re": ["blocks.*"], "op_types": ["Conv2d"], "link": "fc", "apply_method": "kl"}
    assert checked_config_list([entry], *models)[0]["apply_method"] == "kl"
    with pytest.raises(ValueError, match="no module of model is selected"):
        checked_config_list([{**entry, "exclude_op_types": ["Conv2d"]}], *models)


def test_only_the_settings_that_a_target_gets_are_checked(models):
    """The entry's own link would be 'auto', but no target takes it."""
    setting = {"link": "fc", "apply_method": "alpha", "alpha": -1, "lambda": 2}
    entry = {"op_names": ["classifier"], "target_settings": {"_output_0": setting}}
    (checked,) = checked_config_list([entry], *models)
    assert checked["target_settings"]["_output_0"] == {**setting, "lambda": 2.0}


def test_nnis_schema_sees_its_own_words(models):
    entry = {**HEAD, "apply_method": "adaptive_alpha", "clip": None, "lambda": 1}
    named = {**HEAD, "target_settings": {"_output_0": {"link": "fc", "apply_method": "kl", "temperature": 3}}}
    plain = as_nni_has_it(checked_config_list([entry, named], *models))
    assert plain == [
        {**HEAD, "apply_method": "kl", "lambda": 1.0, "target_settings": {"_output_": {}}},
        {**HEAD, "target_settings": {"_output_0": {"link": "fc", "apply_method": "kl"}, "_output_": {}}},
    ]


@pytest.mark.parametrize("version", ["5.0.0", "10.2", "4.40.0"])
def test_transformers_evaluator_is_refused_where_it_cannot_work(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    evaluator = TransformersEvaluator.__new__(TransformersEvaluator)
    evaluator._initialization_complete = True
    model, its_teacher = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2))
    arguments = model, [{"op_names": ["0"]}], evaluator, its_teacher, ask
    if version.startswith("4"):
        AlphaLayerwiseDistiller(*arguments)
        return
    with pytest.raises(ValueError, match=f"does not work with transformers {version} .*use TorchEvaluator"):
        AlphaLayerwiseDistiller(*arguments)
