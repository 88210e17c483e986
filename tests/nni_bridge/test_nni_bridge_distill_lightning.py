"""The same distillers with NNI's LightningEvaluator."""

import logging

import nni
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from distilling import digits, student, teacher
from nni.compression.utils import LightningEvaluator
from torch.utils.data import DataLoader, TensorDataset

from alphanet_plugin.losses import AdaptiveAlphaDivergence
from alphanet_plugin.nni_bridge import AlphaAdaptive1dLayerwiseDistiller, AlphaLayerwiseDistiller

pytestmark = [
    # Lightning asks torch in a way that is no longer wanted, and advises more workers than two cores have.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


class Student(pl.LightningModule):
    def __init__(self, network, scheduled=False):
        super().__init__()
        self.network, self.scheduled = network, scheduled
        self.steps = 0

    def forward(self, images):
        return self.network(images)

    def training_step(self, batch, _):
        self.steps += 1
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = nni.trace(torch.optim.AdamW)(self.parameters(), lr=3e-3)
        if not self.scheduled:
            return optimizer
        return [optimizer], [nni.trace(torch.optim.lr_scheduler.StepLR)(optimizer, step_size=1)]


@nni.trace
class Digits(pl.LightningDataModule):
    def train_dataloader(self):
        images, labels, *_ = digits()
        order = torch.Generator().manual_seed(0)
        return DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True, generator=order)


def evaluator(**options):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return LightningEvaluator(nni.trace(pl.Trainer)(accelerator="cpu", **quiet, **options), Digits())


def ask(batch, model):
    return model(batch[0])


HEAD = {"op_names": ["network.classifier"], "link": "fc", "apply_method": "adaptive_alpha", "lambda": 1}


@torch.no_grad()
def logits(model):
    return model.eval()(digits()[2])


def test_a_lightning_module_learns_from_a_larger_network():
    model, its_teacher = Student(student()), teacher()
    kd_loss, wanted = AdaptiveAlphaDivergence(), logits(teacher())
    before = kd_loss(logits(model), wanted)
    model.train()
    distiller = AlphaLayerwiseDistiller(model, [HEAD], evaluator(), its_teacher, ask, origin_loss_lambda=0.0)
    distiller.compress(max_steps=None, max_epochs=3)
    distiller.unwrap_model()
    assert model.steps == 3 * 17
    assert kd_loss(logits(model), wanted) < 0.3 * before
    assert (logits(model).argmax(1) == wanted.argmax(1)).float().mean() > 0.85


@pytest.mark.parametrize(("lengths", "steps"), [((5, None), 5), ((5, 2), 5), ((40, 1), 17)])
def test_steps_and_epochs_end_it_whichever_come_first(lengths, steps):
    """NNI's own assignment of the steps is one that Lightning 2 refuses."""
    model, used = Student(student()), evaluator(max_epochs=7)
    distiller = AlphaLayerwiseDistiller(model, [HEAD], used, teacher(), ask)
    distiller.compress(*lengths)
    assert model.steps == steps
    assert used.trainer.trace_kwargs["max_epochs"] == 7
    assert "max_steps" not in used.trainer.trace_kwargs


@pytest.mark.parametrize("scheduled", [False, True])
def test_the_adaptive_distillers_linear_layer_learns(scheduled):
    model = Student(student("test_vit", img_size=32, patch_size=8), scheduled)
    entry = {"op_names": ["network.fc_norm"], "link": "global_pool", "apply_method": "alpha", "alpha": -1}
    distiller = AlphaAdaptive1dLayerwiseDistiller(model, [entry], evaluator(), teacher(), ask)
    distiller.track_forward(digits()[0][:8])
    distiller._register_trans_linear()
    linear = distiller.trans_linears["network.fc_norm"]["_output_0"]
    before = linear.weight.detach().clone()
    distiller.compress(max_steps=3, max_epochs=None)
    assert model.steps == 3
    assert not torch.equal(linear.weight, before)
