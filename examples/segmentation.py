"""A small segmentation head on a published subnet's features: which pixels of a digit are ink.

    python examples/digits_folder.py data/digits
    python examples/segmentation.py data/digits --model alphanet_a0.digits

`features_only=True` makes any timm model a backbone: it returns its outputs at strides 2, 4, 8, 16 and 32, and says in
`feature_info` how many channels each has.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import timm
import torch
from timm.optim import create_optimizer_v2
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import alphanet_plugin  # noqa: F401  # registers the models and their published weights
from alphanet_plugin.data import Preparation, evaluation_source, preparation_of, prepared


class Segmenter(nn.Module):
    """A backbone, and a head that adds up its projected outputs at the finest one's size.

    Shapes:
        images (B, 3, H, W) -> logits (B, H, W) of being foreground.
    """

    def __init__(self, model: str, width: int = 32):
        super().__init__()
        backbone: Any = timm.create_model(model, pretrained=True, features_only=True, out_indices=(0, 1, 2, 3))
        self.backbone = backbone
        self.project = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in backbone.feature_info.channels())
        self.classify = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = [project(level) for project, level in zip(self.project, self.backbone(images), strict=True)]
        finest = levels[0].shape[-2:]
        merged = sum(F.interpolate(level, finest, mode="bilinear", align_corners=False) for level in levels)
        logits = self.classify(F.relu(torch.as_tensor(merged)))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False).squeeze(1)


def read_pictures(root: str, split: str, preparation: Preparation) -> TensorDataset:
    """Pictures (N, 3, H, W) as the model wants them, and masks (N, H, W) of what is brighter than half."""
    dataset = prepared(evaluation_source(f"{root}/{split}"), preparation)
    images = torch.stack([dataset[number][0] for number in range(len(dataset))])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preparation.mean, preparation.std))
    return TensorDataset(images, ((images * std + mean).mean(1) > 0.5).float())


@torch.no_grad()
def intersection_over_union(model: Segmenter, loader: DataLoader) -> float:
    """IoU of the foreground over all pixels, in percent."""
    both = either = 0
    for images, masks in loader:
        found, true = model.eval()(images) > 0, masks > 0.5
        both += int((found & true).sum())
        either += int((found | true).sum())
    return 100 * both / either


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Train and print; returns the IoU on ``val`` of calling every pixel ink, and of the trained model, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="holds train/CLASS/* and val/CLASS/*")
    parser.add_argument("--model", default="alphanet_a0.digits")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args(argv)
    torch.manual_seed(0)  # the head and the order of the pictures

    model = Segmenter(args.model)
    preparation = preparation_of(model.backbone)
    train, val = (read_pictures(args.root, split, preparation) for split in ("train", "val"))
    batches = DataLoader(train, args.batch_size, shuffle=True, drop_last=True)
    tests = DataLoader(val, 128)
    optimizer = create_optimizer_v2(model, "adamw", lr=args.lr, weight_decay=0.05)
    everything = 100 * val.tensors[1].mean().item()
    print(f"calling every pixel ink: IoU {everything:.1f} % on {len(val)} pictures")
    found = 0.0
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for images, masks in batches:
            loss = F.binary_cross_entropy_with_logits(model(images), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        found = intersection_over_union(model, tests)
        print(f"epoch {epoch + 1}: loss {total / len(batches):.3f}, IoU {found:.1f} %")
    return everything, found


if __name__ == "__main__":
    main()
