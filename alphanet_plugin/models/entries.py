"""All timm entries of this package."""

from collections.abc import Mapping

from ..spaces import Arch
from . import alphanet, attentive_nas


def entry_archs() -> Mapping[str, Arch]:
    """Every entry that stands for one arch, by name; `alphanet_subnet` stands for any."""
    return {**alphanet.ARCHS, **attentive_nas.ARCHS}


def refresh_entries() -> None:
    """Tell timm what the store holds now. `timm.create_model` needs no telling; `timm.list_models` cannot ask."""
    alphanet.refresh_alphanet()
    attentive_nas.refresh_attentive_nas()
