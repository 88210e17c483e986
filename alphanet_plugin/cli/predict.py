"""the likeliest classes of images, by a model with weights

alphanet predict alphanet_a4.digits digit.png
alphanet predict runs/distill/digits/model *.png --json
alphanet predict resnet18 photo.jpg --top 3

Images are prepared as the model's own cfg says, which is shown. Any that Pillow reads is taken as it looks: 16 bits,
transparent, turned by EXIF."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name for timm.create_model, or a published folder")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="files that PIL reads")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="how many classes (default: 5)")
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--json", action="store_true", help="print JSON, one object an image")


def run(arguments: argparse.Namespace) -> None:
    if arguments.top < 1:
        raise ValueError(f"--top must be at least 1, not {arguments.top}")
    from ..data import open_image

    model, prepare, names = _load(arguments.model, arguments.device)
    for path in arguments.images:
        likeliest = _predict(model, prepare(open_image(path)), names, arguments)
        if arguments.json:
            print(json.dumps({"image": str(path), "classes": likeliest}), flush=True)
        else:
            shown = ", ".join(f"{one['name']} {100 * one['probability']:.1f} %" for one in likeliest)
            print(f"{path}: {shown}", flush=True)


def _load(name: str, device: str) -> tuple[Any, Any, list[str]]:
    """The model, how an image becomes its input, and the names of its classes."""
    from ..data import preparation_of
    from .options import load_model

    model = load_model(name).eval().to(device)
    preparation = preparation_of(model)
    say(f"images: {preparation}")
    return model, preparation.transform(), _class_names(model)


def _class_names(model: Any) -> list[str]:
    """As its cfg has them; ImageNet's of timm where the number fits; else numbers."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    names = model.pretrained_cfg.get("label_names")
    if names and len(names) == model.num_classes:
        return [str(name) for name in names]
    subset = infer_imagenet_subset(model)
    if subset:
        info = ImageNetInfo(subset)
        return [str(info.index_to_description(number)) for number in range(model.num_classes)]
    return [str(number) for number in range(model.num_classes)]


def _predict(model: Any, image: Any, names: list[str], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import torch

    with torch.inference_mode():
        probabilities = model(image[None].to(arguments.device))[0].float().softmax(-1)
    top = probabilities.topk(min(arguments.top, len(names)))
    return [
        {"class": index, "name": names[index], "probability": round(value, 6)}
        for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
