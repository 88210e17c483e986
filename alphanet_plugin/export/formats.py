"""The formats by name; the name is also the files' suffix."""

from .file_format import FileFormat
from .onnx_format import OnnxFormat
from .pt2_format import Pt2Format

FORMATS: dict[str, FileFormat] = {"onnx": OnnxFormat(), "pt2": Pt2Format()}
