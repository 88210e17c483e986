"""Files are what was written, or it is said which are not."""

import pytest

from alphanet_plugin.digest import damaged_files, digest_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").write_bytes(b"weights")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "states").write_bytes(b"states")
    return tmp_path


def flip(path):
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def test_whole_files_are_whole(folder):
    listed = digest_files(folder)
    assert sorted(listed) == ["more/states", "weights"]
    assert listed["weights"]["size"] == 7
    (folder / "README.md").write_text("what is not listed may come and go")
    assert list(damaged_files(folder, listed)) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "weights is not what was written (its sha256 differs)"),
        (lambda path: path.write_bytes(b""), "weights has 0 bytes, not the 7 that were written"),
        (lambda path: path.unlink(), "weights is missing"),
        (lambda path: path.unlink() or path.mkdir(), "weights "),
    ],
)
def test_damage_is_named(folder, damage, said):
    listed = digest_files(folder)
    damage(folder / "weights")
    (message,) = damaged_files(folder, listed)
    assert message.startswith(said)


@pytest.mark.parametrize(
    "listed", [
        None, [], "weights", {"weights": None}, {"weights": {"sha256": 1, "size": 7}}, {"weights": {"sha256": "0"}},
        {"../weights": {"sha256": "0", "size": 7}}, {"/etc/passwd": {"sha256": "0", "size": 7}},
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused(folder, listed):
    with pytest.raises(ValueError, match="its list of files"):
        list(damaged_files(folder, listed))
