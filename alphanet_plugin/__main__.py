"""``python -m alphanet_plugin`` is ``alphanet``; `accelerate launch -m alphanet_plugin train ...` uses it."""

import sys

from .cli.main import main

sys.exit(main())
