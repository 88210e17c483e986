"""The errors that a user sees. The command line prints their message on one line and exits with status 2."""


class AlphaNetError(Exception):
    """Base of this package's own errors; the message says what is wrong and what to do."""


class ConfigError(AlphaNetError, ValueError):
    """A configuration file or an override is not valid."""


class CheckpointError(AlphaNetError, RuntimeError):
    """A checkpoint or weight file is missing, damaged, or belongs to something else."""


class NoWeightsError(AlphaNetError, RuntimeError):
    """`pretrained=True` was asked for and no weights are known."""


class StoreError(AlphaNetError, RuntimeError):
    """The local store cannot be read or written."""


class HubError(AlphaNetError, RuntimeError):
    """The Hugging Face hub cannot be reached, or does not have or give what was asked for."""


class NonFiniteLossError(AlphaNetError, RuntimeError):
    """Training met a loss that is not finite and stopped."""


class SearchError(AlphaNetError, RuntimeError):
    """A search cannot be started or resumed as asked."""


class ExportError(AlphaNetError, RuntimeError):
    """A model cannot be exported as asked, or the exported file does not compute what the model does."""


class StudyError(AlphaNetError, RuntimeError):
    """A study cannot be run as asked, or some of its runs failed."""


class InUseError(AlphaNetError, RuntimeError):
    """Another process writes what this one was to write."""
