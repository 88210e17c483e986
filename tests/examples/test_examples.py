"""examples/, run as the README shows them, on small images and for few epochs."""

import re

import pytest

# timm's ImageDataset leaves the closing of pictures to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.mark.slow
def test_fine_tuning_learns_what_the_weights_were_not_trained_for(published, digits_folder, example, capsys):
    top1 = example("finetune").main([str(digits_folder), "--model", published, "--epochs", "2"])
    said = capsys.readouterr().out
    rates = re.search(r"rates from (\S+) \(stem\) to (\S+) \(classifier\)", said)
    assert float(rates[1]) < 0.1 * float(rates[2])
    before, _, last = (float(figure) for figure in re.findall(r"(\S+) %", said))
    assert before < 70, "half of the digits are even: a new classifier knows nothing of that"
    assert last > 85
    assert top1 == pytest.approx(last, abs=0.01)
    losses = [float(loss) for loss in re.findall(r"loss (\S+),", said)]
    assert losses[1] < losses[0]


def test_a_segmentation_head_learns_on_features(published, digits_folder, example, capsys):
    trivial, found = example("segmentation").main([str(digits_folder), "--model", published, "--epochs", "1"])
    assert 10 < trivial < 50
    assert found > trivial + 25
    assert f"IoU {found:.1f} %" in capsys.readouterr().out
