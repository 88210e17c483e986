"""YAML that expands, repeats itself or cannot be read: one short line, and no memory."""

from itertools import pairwise

import pytest

from alphanet_plugin import get_space, yaml_text
from alphanet_plugin.config import RunConfig, parse_yaml, read_config
from alphanet_plugin.errors import ConfigError, brief, one_line
from alphanet_plugin.models import read_arch


def bomb(levels):
    """A list of 9 ** levels texts, in a few hundred bytes."""
    names = "abcdefghij"[:levels]
    text = f"&a [{','.join('l' * 9)}]"
    for one, following in pairwise(names):
        text += f", &{following} [{','.join([f'*{one}'] * 9)}]"
    return f"[{text}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(7), "its aliases stand for .* values; at most 100,000 are read"),
        ("&a [*a]", "line 1 is a part of itself"),
        ("&a {b: {c: *a}}", "line 1 is a part of itself"),
        ("[" * 66 + "]" * 66, "nested too deeply"),
        ("[" * 20_000, "nested too deeply"),
        ("{a: " * 5000, "nested too deeply"),
        ("seed: 1\nkd: {}\nseed: 2", "line 3 gives 'seed' twice"),
        ("kd:\n  clip: 1\n  clip: 2", "line 3 gives 'clip' twice"),
        ("output: 2001-99-99", "a value cannot be read"),
        ("output: 0b_", "a value cannot be read"),
        ("output: !!int ''", "a value cannot be read"),
        ("output: !!bool maybe", "a value cannot be read"),
        ("output: !!python/name:os.system", "not valid YAML"),
        ("? [a]\n: b", "not valid YAML"),
        ("output: \x00", "not valid YAML"),
    ],
    ids=lambda value: value[:24],
)
def test_one_short_line_names_the_text_and_the_place(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"run\.yaml.*{message}") as error:
        read_config(RunConfig, path)
    assert len(str(error.value)) < 400 + len(str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text, "it")
    with pytest.raises(ConfigError, match=message):
        read_arch(str(path))
    with pytest.raises(ConfigError, match=rf"run\.yaml.*{message}"):
        get_space(path)


def test_aliases_and_merged_keys_are_read():
    text = "base: &base {lr: 1, epochs: 2}\nrun: {<<: *base, lr: 3}\nagain: *base"
    assert parse_yaml(text, "it") == {
        "base": {"lr": 1, "epochs": 2}, "run": {"lr": 3, "epochs": 2}, "again": {"lr": 1, "epochs": 2},
    }  # fmt: skip
    assert parse_yaml("", "it") is None


def test_a_long_text_without_aliases_is_read(monkeypatch):
    monkeypatch.setattr(yaml_text, "MAX_EXPANDED", 20)
    assert parse_yaml("[" + "1, " * 100 + "]", "it") == [1] * 100
    assert parse_yaml("[&a 1, *a, *a]", "it") == [1] * 3
    with pytest.raises(ConfigError, match="its aliases stand for"):
        parse_yaml("[&a [1, 1, 1, 1, 1], " + "*a, " * 30 + "]", "it")


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("seed", "takes a whole number"), ("space.resolutions", r"space\.resolutions\[0\] takes a whole number"),
        ("training", "training holds keys and values"), ("kd.name", "must be one of"), ("kd.form", "must be one of"),
        ("training.lr", "takes a number"), ("data.augment", "takes text"), ("output", "takes text"),
    ],
)  # fmt: skip
def test_messages_abbreviate_values(key, wanted):
    path = "configs/digits.yaml"
    with pytest.raises(ConfigError, match=wanted) as error:
        read_config(RunConfig, path, [f"{key}={bomb(4)}"])
    assert len(str(error.value)) < 300
    with pytest.raises(ConfigError) as error:
        read_config(RunConfig, path, [f"{key}={{? [1, 2, 3] : 1}}" if key == "seed" else f"{key}.x={'y' * 5000}"])
    assert len(str(error.value)) < 400


def test_brief_is_short():
    for value in ("x" * 10**6, [["x" * 99] * 99] * 99, {str(n): n for n in range(999)}, 1 << 99999):
        assert len(brief(value)) <= 120


def test_brief_shows_short_values_whole():
    assert [brief(value) for value in ("many", 2.5, [1, "a"], {"a": [1]}, None)] == [
        "'many'", "2.5", "[1, 'a']", "{'a': [1]}", "None",
    ]  # fmt: skip
    assert one_line(ValueError("a\n   b")) == "a b"
    assert len(one_line(ValueError("a" * 10**6))) <= 1000


@pytest.mark.parametrize("override", ["seed=9223372036854775808", "training.lr=1" + "0" * 30, "training.lr=.nan"])
def test_numbers_fit_the_machine(override):
    with pytest.raises(ConfigError, match=r"takes a number"):
        read_config(RunConfig, "configs/digits.yaml", [override])
