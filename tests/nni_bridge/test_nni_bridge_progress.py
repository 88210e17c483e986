"""What an experiment says while it trains."""

import logging

from alphanet_plugin.nni_bridge.nas.evaluator import Progress


def test_first_last_and_one_line_in_so_many_seconds(caplog):
    now = [0.0]
    progress = Progress(100, seconds=20.0, clock=lambda: now[0])
    with caplog.at_level(logging.INFO, "nni.alphanet_plugin.nas"):
        for step in range(100):
            progress({"step": step, "loss": 2.0, "kd_loss": 0.5})
            now[0] += 1.0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"step {step} of 100" for step in (1, 21, 41, 61, 81, 100)
    ]
    assert caplog.records[0].getMessage().endswith("loss 2.000, kd_loss 0.500")
