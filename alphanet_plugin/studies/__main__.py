"""One rank of a run's training; `StudyConfig.launch` starts it as ``LAUNCH -m alphanet_plugin.studies FOLDER``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ..config import read_config
from ..errors import AlphaNetError
from .cell_kind import CellFile
from .study import KINDS


def main() -> int:
    """Train the run whose configuration lies in the folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--curve-epochs", type=int)
    arguments = parser.parse_args()
    kind, folder = KINDS[arguments.kind], Path(arguments.folder)
    try:
        config = replace(read_config(kind.schema, folder / "config.yaml"), output=str(folder))
        kind.train(config, arguments.curve_epochs, CellFile(folder, None), lambda done, total: None)  # noqa: ARG005
    except AlphaNetError as error:
        print(f"alphanet: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
