"""Files that come with the package but lie beside it in the repository: configs/ and model_cards/."""

from pathlib import Path

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
            raise FileNotFoundError(f"there is no {path}, here or among the shipped ones: {known}") from None
    return file
