"""AlphaNet supernets for timm, NNI, Accelerate and safetensors.

Importing this registers the timm entries (``alphanet_a0`` to ``alphanet_a6`` and their kin, ``attentive_nas_a0`` to
``attentive_nas_a6``, ``us_mobilenet_v1`` and ``us_mobilenet_v2``, and a few small networks that timm lacks), nothing
else. (The command line does so when a verb is called, as it takes seconds to load timm.)
"""

import sys as _sys
from importlib import metadata as _metadata
from typing import TYPE_CHECKING, Any

from .others_notes import hide_others_notes as _hide
from .others_notes import is_child as _is_child
from .spaces import Arch, get_space, list_spaces

if TYPE_CHECKING:
    from .models import fuse

try:
    __version__ = _metadata.version("alphanet-plugin")  # from git's tags when it was built
except _metadata.PackageNotFoundError:  # a clone on PYTHONPATH
    __version__ = "0+not-installed"
__all__ = ["Arch", "fuse", "get_space", "list_spaces"]


def _is_command_line() -> bool:
    """Whether ``alphanet`` or ``python -m alphanet_plugin`` is starting."""
    if getattr(_sys.modules.get("alphanet_launcher"), "starting", False):
        return True
    words = _sys.orig_argv
    return _sys.argv[:1] == ["-m"] and "alphanet_plugin" in words and words[words.index("alphanet_plugin") - 1] == "-m"


def __getattr__(name: str) -> Any:
    if name == "fuse":
        from .models import fuse

        return fuse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if _is_child():
    _hide()
if not _is_command_line():
    from . import models as _register_timm_entries  # noqa: F401
