"""Files that come with the package but lie beside it in the repository: configs/ and model_cards/."""

from pathlib import Path

from .nearest import nearest_name, nearest_path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The path of a shipped file such as ``configs/digits.yaml``, in a wheel or in a checkout.

    Raises:
        FileNotFoundError: There is none of that name.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(
        f"{name} does not come with alphanet_plugin; looked in {_PACKAGE / '_shipped'} and beside it"
    )


def shipped_config(path: str) -> Path:
    """The path, or where there is no such file and it begins with ``configs/``, the shipped file of that name."""
    file = Path(path)
    if not file.exists() and path.startswith("configs/"):
        try:
            return shipped(path)
        except FileNotFoundError:
            hint = config_hint(path) or "; they lie in configs/, such as configs/digits.yaml"
            raise FileNotFoundError(f"there is no {path}, here or among the shipped ones{hint}") from None
    return file


def config_hint(path: str) -> str:
    """As `path_hint`, of files, here or shipped; also of a shipped one by its name without its folder."""
    name, by_name = Path(path).name, _shipped_configs()
    near = [_near(path), by_name.get(name), by_name.get(nearest_name(name, by_name) or "")]
    near = sorted(filter(None, near), key=lambda one: one.name != name)
    return f"; did you mean {near[0]}?" if near else ""


def _near(path: str) -> Path | None:
    for root in (Path(), shipped("configs").parent):
        near = nearest_path(path, root)
        if near is not None and (root / near).is_file() and (root == Path() or near.parts[0] == "configs"):
            return near
    return None


def _shipped_configs() -> dict[str, Path]:
    """Paths such as configs/digits.yaml by their names; the outermost of each name."""
    root = shipped("configs")
    files = sorted(root.rglob("*.yaml"), key=lambda file: (-len(file.parts), file))
    return {file.name: Path(root.name) / file.relative_to(root) for file in files}
