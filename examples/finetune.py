"""Fine-tune a published subnet on a folder of pictures, with timm's own pieces and layer-wise learning rates.

    python examples/digits_folder.py data/digits
    python examples/finetune.py data/digits --model alphanet_a0.digits

The folder holds train/CLASS/* and val/CLASS/*. Everything but the registration and the opening of pictures is timm's
and torch's; any other timm model goes through the same lines.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from timm.data import ImageDataset, create_loader, resolve_model_data_config, set_img_extensions
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, accuracy, random_seed

import alphanet_plugin  # noqa: F401  # registers the models and their published weights
from alphanet_plugin.data.open_image import image_suffixes, open_image


class Pictures(ImageDataset):
    """timm's, with pictures of every format and mode as they look: 16 bits, transparent, turned by EXIF."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        reader: Any = self.reader
        file, label = reader[index]
        with file:
            image = open_image(file, str(self.filename(index)))
        return (image if self.transform is None else self.transform(image)), label


def build_loader(dataset: ImageDataset, data_config: Mapping[str, Any], batch_size: int, train: bool = False) -> Any:
    """Batches of pictures prepared as the model wants them, in training with a little random cropping."""
    return create_loader(
        dataset,
        batch_size=batch_size,
        is_training=train,
        scale=(0.7, 1.0),
        hflip=0.0,  # a digit's mirror image is none
        color_jitter=0.0,
        num_workers=0,
        persistent_workers=False,
        use_prefetcher=False,
        device=torch.device("cpu"),
        **{key: data_config[key] for key in ("input_size", "mean", "std", "interpolation", "crop_pct")},
    )


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: Any) -> float:
    """Top-1 accuracy in percent."""
    meter = AverageMeter()
    for images, labels in loader:
        meter.update(accuracy(model.eval()(images), labels)[0].item(), len(labels))
    return meter.avg


def main(argv: Sequence[str] | None = None) -> float:
    """Fine-tune and print; returns the final accuracy on ``val`` in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="holds train/CLASS/* and val/CLASS/*")
    parser.add_argument("--model", default="alphanet_a0.digits")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--layer-decay", type=float, default=0.75)
    args = parser.parse_args(argv)

    set_img_extensions(sorted(image_suffixes()))  # timm's own leave out .webp, .tif and more
    pictures: Any = Pictures(f"{args.root}/train")
    classes = len(pictures.reader.class_to_idx)
    random_seed(0)  # the new classifier, order and augmentation of the pictures
    model = timm.create_model(args.model, pretrained=True, num_classes=classes)  # with a new classifier
    data_config = resolve_model_data_config(model)
    train = build_loader(pictures, data_config, args.batch_size, train=True)
    val = build_loader(Pictures(f"{args.root}/val"), data_config, batch_size=128)

    optimizer = create_optimizer_v2(model, "adamw", lr=args.lr, weight_decay=0.05, layer_decay=args.layer_decay)
    # It is timm's scheduler that multiplies each group's rate by its lr_scale: without one there is no layer decay.
    scheduler: Any = create_scheduler_v2(
        optimizer, num_epochs=args.epochs, step_on_epochs=False, updates_per_epoch=len(train)
    )[0]
    criterion = LabelSmoothingCrossEntropy(0.1)
    rates = [group["lr"] for group in optimizer.param_groups]
    print(f"{args.model}: {classes} classes, rates from {min(rates):.1e} (stem) to {max(rates):.1e} (classifier)")

    top1 = evaluate(model, val)
    print(f"before: {top1:.2f} % of {len(val.dataset)} pictures")
    updates = 0
    for epoch in range(args.epochs):
        losses = AverageMeter()
        model.train()
        for images, labels in train:
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            scheduler.step_update(updates)
            losses.update(loss.item(), len(labels))
        top1 = evaluate(model, val)
        print(f"epoch {epoch + 1}: loss {losses.avg:.3f}, {top1:.2f} %")
    return top1


if __name__ == "__main__":
    main()
