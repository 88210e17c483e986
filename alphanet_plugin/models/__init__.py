"""Static networks and their timm entries; importing this registers them with timm."""

from . import students as _students  # noqa: F401
from .entries import alphanet_subnet, build_static, entry_archs, entry_name, protocols, refresh_entries
from .family import FAMILIES, BnRule, Family, family_of, family_of_entry
from .fuse import fuse
from .mbconv import MBConvBlock, Shortcut
from .memory_format import memory_format_of, to_memory_format
from .network import MobileNetwork
from .read_arch import named_arch, read_arch, read_space
from .us_mobilenet_network import UsMobileNet

__all__ = [
    "FAMILIES",
    "BnRule",
    "Family",
    "MBConvBlock",
    "MobileNetwork",
    "Shortcut",
    "UsMobileNet",
    "alphanet_subnet",
    "build_static",
    "entry_archs",
    "entry_name",
    "family_of",
    "family_of_entry",
    "fuse",
    "memory_format_of",
    "named_arch",
    "protocols",
    "read_arch",
    "read_space",
    "refresh_entries",
    "to_memory_format",
]
