"""What a process does that is told to end."""

import os
import signal

import pytest

from alphanet_plugin.runs import when_told_to_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_heard_once_and_handlers_are_put_back(number):
    before, heard = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)], []
    with when_told_to_end(lambda told, _frame: heard.append(told)):
        for one in (number, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), one)
    assert heard == [number]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_closed_terminal_ends_nothing_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with when_told_to_end():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
