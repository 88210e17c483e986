"""What an import brings along."""

import json
import subprocess
import sys

import pytest

_SAY = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def modules_after(code):
    done = subprocess.run([sys.executable, "-c", f"{code}\n{_SAY}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_registers_with_timm_and_brings_nothing_heavy():
    loaded = modules_after(
        "import alphanet_plugin, timm\n"
        "assert timm.is_model('alphanet_a0')\n"
        "assert timm.create_model('alphanet_a0', device='meta').num_classes == 1000"
    )
    assert "timm" in loaded
    heavy = {"nni", "lightning", "pytorch_lightning", "accelerate", "matplotlib", "sklearn", "fvcore", "scipy", "rich"}
    assert not loaded & heavy


# The package's own __init__ registers timm's entries, so these rooms are imported as they lie, without it.
_ALONE = """
import pathlib, sys, types
root = pathlib.Path({root!r})
package = types.ModuleType("alphanet_plugin")
package.__path__ = [str(root)]
sys.modules["alphanet_plugin"] = package
import alphanet_plugin.{room}
"""


@pytest.mark.parametrize("room", ["spaces", "errors", "store"])
def test_rooms_without_torch(room, pytestconfig):
    loaded = modules_after(_ALONE.format(root=str(pytestconfig.rootpath / "alphanet_plugin"), room=room))
    assert "alphanet_plugin" in loaded
    assert not loaded & {"torch", "timm", "torchvision"}
