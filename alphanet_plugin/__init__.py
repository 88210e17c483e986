"""AlphaNet supernets for timm, NNI, Accelerate and safetensors."""

from .spaces import Arch, get_space, list_spaces

__version__ = "0.1.0"
__all__ = ["Arch", "get_space", "list_spaces"]
