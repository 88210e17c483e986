"""A teacher that has learnt the digits a little, students that have not, and NNI's evaluators over both."""

import copy
from functools import lru_cache

import nni
import timm
import torch
import torch.nn.functional as F
from nni.compression.utils import TorchEvaluator

from alphanet_plugin.data.digits import build_digits


@lru_cache(maxsize=1)
def digits():
    """Training images (1078, 3, 32, 32) and labels, test images (360, 3, 32, 32) and labels."""
    parts = build_digits(32, augment=False)
    stacked = []
    for part in (parts.train, parts.test):
        images, labels = zip(*(part[place] for place in range(len(part))), strict=True)
        stacked += [torch.stack(images), torch.tensor(labels)]
    return tuple(stacked)


def student(name="test_efficientnet", seed=1, **options):
    """0.1 M parameters; its head is `classifier`, of the teacher `fc`."""
    torch.manual_seed(seed)
    return timm.create_model(name, num_classes=10, **options)


def teacher():
    """A copy (distillers wrap it) of a network of 0.37 M parameters, trained for four epochs, in eval mode."""
    return copy.deepcopy(_teacher())


@lru_cache(maxsize=1)
def _teacher():
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=10)
    fit(model, torch.optim.AdamW(model.parameters(), 2e-3), labels_loss, max_epochs=4)
    return model.eval()


def labels_loss(batch, model):
    return F.cross_entropy(model(batch[0]), batch[1])


def fit(model, optimizer, training_step, schedulers=None, max_steps=None, max_epochs=None):  # noqa: ARG001
    """A training_func of TorchEvaluator; batches of 64 in an order of its own."""
    images, labels, *_ = digits()
    order = torch.Generator().manual_seed(0)
    model.train()
    steps = 0
    for _ in range(max_epochs or 1000):
        for rows in torch.randperm(len(images), generator=order).split(64):
            if max_steps and steps == max_steps:
                return
            optimizer.zero_grad()
            training_step((images[rows], labels[rows]), model).backward()
            optimizer.step()
            steps += 1


def torch_evaluator(model, training_func=fit, rate=3e-3):
    return TorchEvaluator(training_func, nni.trace(torch.optim.AdamW)(model.parameters(), lr=rate), labels_loss)


def ask(batch, model):
    """teacher_predict"""
    return model(batch[0])


@torch.no_grad()
def outputs(model):
    """Logits on the test images, the model as it is at the moment but for its mode."""
    was_training = model.training
    logits = model.eval()(digits()[2])
    model.train(was_training)
    return logits


def agreement(model, other):
    """Share of the test images on which two models choose the same class."""
    return (outputs(model).argmax(1) == outputs(other).argmax(1)).float().mean().item()
