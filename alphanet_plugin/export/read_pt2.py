"""Run a pt2 file in a process of its own: FILE IMAGES.npz LOGITS.npz. Needs torch alone."""

import sys

import numpy as np
import torch

file, images, logits = sys.argv[1:]
with open(file, "rb") as archive:
    model = torch.export.load(archive).module()
with np.load(images) as batches, torch.no_grad():
    outputs = {}
    for name in batches:
        found = model(torch.from_numpy(batches[name]))
        for number, value in enumerate([found] if isinstance(found, torch.Tensor) else found):
            outputs[f"{name}.{number}" if number else name] = value.numpy()
np.savez(logits, **outputs)
