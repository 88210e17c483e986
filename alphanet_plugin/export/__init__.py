"""Files that run a model without this package: ONNX and torch.export's pt2, each checked before it is put in place."""

from .describe import describe
from .export_model import Exported, export_model
from .file_format import FileFormat
from .formats import FORMATS

__all__ = ["FORMATS", "Exported", "FileFormat", "describe", "export_model"]
