"""Static networks and their timm entries; importing this registers them with timm."""

from .alphanet import alphanet_subnet, refresh_entries
from .mbconv import MBConvBlock, Shortcut
from .network import AlphaNet
from .read_arch import read_arch

__all__ = ["AlphaNet", "MBConvBlock", "Shortcut", "alphanet_subnet", "read_arch", "refresh_entries"]
