import os
import subprocess
import sys
import time

CHILD = """
import sys, time
from alphanet_plugin.nni_bridge.hpo.orphan import die_with_parent
die_with_parent()
print("ready", flush=True)
time.sleep(100)
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


def test_a_trial_ends_with_what_started_it():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    # the child holds the pipe for as long as it lives
    began = time.monotonic()
    assert parent.stdout.read() == ""
    assert time.monotonic() - began < 50
    parent.stdout.close()
    parent.wait()
    assert not os.path.exists(f"/proc/{parent.pid}")
