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
