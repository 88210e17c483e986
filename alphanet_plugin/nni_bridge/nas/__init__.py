"""Model spaces, strategies, evaluators and experiments of NNI's NAS, imported in the one order that works."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from contextlib import redirect_stderr, suppress

from ...errors import how_to_install

ONE_SHOT = ("DARTS", "ENAS", "GumbelDARTS", "Proxyless", "RandomOneShot")
_EXPERIMENT_LOG = "nni.nas.experiment.config.experiment"


def import_nni_nas() -> None:
    """Import NNI's NAS; whatever is imported before or after, `nni.nas.strategy` has NNI's own classes.

    `nni.nas.strategy` and `nni.nas.oneshot` import each other. Where the second comes first, the first takes the
    circle for a missing package and puts stand-ins, which raise when they run, in the place of its one-shot strategies.

    Raises:
        ImportError: What NNI's NAS needs is not installed; the message says what.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of torch that NNI does not know, and of Lightning's own imports
        with suppress(ImportError), redirect_stderr(io.StringIO()):
            import gym  # noqa: F401  # tells everyone to move to its successor, which NNI cannot
        try:
            import nni.nas.strategy  # noqa: F401
            from nni.nas.oneshot.pytorch import strategy as one_shot
        except ImportError as error:
            raise ImportError(
                f"NNI's NAS cannot be imported ({error}); it needs Lightning, and two strategies tianshou: "
                + how_to_install("pytorch-lightning>=2.0", "tianshou==0.5.0", "gym>=0.26", extra="nas")
            ) from error
    for module in (sys.modules["nni.nas.strategy"], sys.modules["nni.nas.strategy.oneshot"]):
        for name in ONE_SHOT:
            setattr(module, name, getattr(one_shot, name))
    logging.getLogger(_EXPERIMENT_LOG).addFilter(_may_be_acted_on)


def _may_be_acted_on(record: logging.LogRecord) -> bool:
    """Not NNI's warning, a dozen times, that it ignores the training service which it has set itself."""
    return "`training_service` will be ignored" not in record.getMessage()


import_nni_nas()
