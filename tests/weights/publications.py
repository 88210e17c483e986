"""A subnet to publish, in small."""

from alphanet_plugin import get_space
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.weights import Publication

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
ARCH = SPACE.presets["a1"]
SIDE = ARCH.resolution
DATA_CONFIG = {
    "input_size": (3, SIDE, SIDE), "mean": (0.1, 0.2, 0.3), "std": (0.2, 0.2, 0.2), "interpolation": "bicubic",
    "crop_pct": 1.0,
}  # fmt: skip


def model():
    return alphanet_subnet(arch=ARCH, num_classes=10, zero_init_last=False).eval()


def publication(architecture="alphanet_a1", tag="digits", **changed):
    given = {
        "arch": ARCH,
        "data_config": DATA_CONFIG,
        "class_names": list("0123456789"),
        "metrics": {"top1": 97.53123, "top5": 99.7, "loss": 0.1, "count": 360},
        "mflops": SPACE.mflops(ARCH, 10),
        "params": SPACE.params(ARCH, 10, idle_shortcuts=False),
        "dataset": "digits",
        "recipe": {"seed": 3, "training": {"epochs": 7}},
        "protocol": "timm's, on test images",
        **changed,
    }
    return Publication(architecture=architecture, tag=tag, **given)
