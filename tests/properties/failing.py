"""How anything may fail."""

from contextlib import contextmanager

from alphanet_plugin.errors import AlphaNetError


@contextmanager
def fails_in_one_line():
    """Nothing goes wrong in the block, or it is told as the command line tells it."""
    message = None
    try:
        yield
    except (AlphaNetError, ValueError, OSError) as error:
        message = str(error)
    if message is not None:
        assert message.strip()
        assert "\n" not in message
        assert len(message) < 1500
