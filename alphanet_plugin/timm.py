"""Run a script that knows timm's models, such as timm's own, with this package's among them.

    python -m alphanet_plugin.timm pytorch-image-models/validate.py --data-dir DIR --model alphanet_a4 --pretrained

The script gets the arguments that follow its path, and runs as `python SCRIPT` would. timm's validate.py, inference.py,
benchmark.py and onnx_export.py have no option that imports further models; its train.py has `--device-modules`.
"""

import os
import runpy
import sys

from .errors import ConfigError


def run_script(argv: list[str]) -> None:
    """Run the script ``argv[0]`` with the arguments after it; ConfigError if it is no file."""
    if not argv or not os.path.isfile(argv[0]):
        given = f"{argv[0]} is no file" if argv else "no script is given"
        raise ConfigError(f"{given}: python -m alphanet_plugin.timm SCRIPT.py [ARGUMENTS ...]")
    # Importing this file has imported the package, which registers the models. `-m` put the working folder first among
    # those that are imported from; a script expects its own.
    sys.argv, sys.path[0] = list(argv), os.path.dirname(os.path.abspath(argv[0]))
    runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    try:
        run_script(sys.argv[1:])
    except ConfigError as error:
        sys.exit(f"alphanet_plugin.timm: error: {error}")
