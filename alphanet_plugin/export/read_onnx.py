"""Run an ONNX file in a process of its own: FILE IMAGES.npz LOGITS.npz. Needs numpy and onnxruntime alone."""

import sys

import numpy as np
import onnxruntime

file, images, logits = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.log_severity_level = 3  # errors
session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
with np.load(images) as batches:
    outputs = {
        f"{name}.{number}" if number else name: np.asarray(value)
        for name in batches
        for number, value in enumerate(session.run(None, {"images": batches[name]}))
    }
np.savez(logits, **outputs)  # pyright: ignore[reportArgumentType]  # numpy's stub mixes up its own option
