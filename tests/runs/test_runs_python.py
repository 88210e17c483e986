"""A whole run in Python: trained, searched, published, loaded."""

import timm

from alphanet_plugin.runs import publish_run, read_config, run_supernet, search_run, to_publish

SMALL = ["space.resolutions=[16]", "data.image_size=16", "training.epochs=1", "training.warmup_epochs=0",
         "training.batch_size=256", "data.search_count=100", "evaluation.calibration_batches=1",
         "evaluation.search_calibration_batches=1", "search.num_random=3", "search.num_parents=2",
         "search.num_crossovers=1", "search.num_mutations=1", "search.num_rounds=1", "publish.tag=small",
         "publish.presets=[0.35x]"]  # fmt: skip


def test_a_run_from_nothing_to_timm(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "store"))
    config = read_config("configs/us_mobilenet_v2_digits.yaml", [f"output={tmp_path / 'run'}", *SMALL])
    records = []
    run = run_supernet(config, on_step=records.append)
    assert [record["step"] for record in records] == list(range(1337 // 256))
    found = search_run(run)
    assert run.folder.picture.is_file()
    assert {run.space.presets["0.35x"], *(subnet.arch for subnet in found)} == {subnet.arch for subnet in found}
    (published,) = publish_run(run, to_publish(run))
    model = timm.create_model("us_mobilenet_v2.small_0p35x", pretrained=True)
    assert model.num_classes == 10
    assert published.mflops == run.mflops(run.space.presets["0.35x"])
    again = []
    run_supernet(config, on_step=again.append)
    assert again == []
