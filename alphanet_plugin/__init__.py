"""AlphaNet supernets for timm, NNI, Accelerate and safetensors.

Importing this registers the timm entries (``alphanet_a0`` to ``alphanet_a6`` and their kin, ``attentive_nas_a0`` to
``attentive_nas_a6``, ``us_mobilenet_v1`` and ``us_mobilenet_v2``, and a few small networks that timm lacks), nothing
else.
"""

from . import models as _register_timm_entries  # noqa: F401
from .models import fuse
from .spaces import Arch, get_space, list_spaces

__version__ = "0.1.0"
__all__ = ["Arch", "fuse", "get_space", "list_spaces"]
