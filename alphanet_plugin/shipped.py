"""Files that come with the package but lie beside it in the repository: configs/ and model_cards/."""

from pathlib import Path

from .nearest import nearest_path

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
            folder = shipped("configs")
            files = sorted(folder.rglob("*.yaml"), key=lambda other: (len(other.parts), other))
            known = ", ".join(f"configs/{other.relative_to(folder)}" for other in files)
            hint = config_hint(path) or f": {known}"
            raise FileNotFoundError(f"there is no {path}, here or among the shipped ones{hint}") from None
    return file


def config_hint(path: str) -> str:
    """As `path_hint`, of files, here or shipped."""
    for root in (Path(), shipped("configs").parent):
        near = nearest_path(path, root)
        if near is not None and (root / near).is_file() and (root == Path() or near.parts[0] == "configs"):
            return f"; did you mean {near}?"
    return ""
