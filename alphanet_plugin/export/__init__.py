"""Files that run a model without this package: ONNX and torch.export's pt2, each checked before it is put in place."""

from .export_model import FORMATS, Exported, describe, export_model
from .file_format import FileFormat
from .int8 import Int8Figures, export_int8

__all__ = ["FORMATS", "Exported", "FileFormat", "Int8Figures", "describe", "export_int8", "export_model"]
