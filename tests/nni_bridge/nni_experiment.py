"""An experiment as a user starts it: `nnictl create` on loopback, watched over the manager's REST interface."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from alphanet_plugin.shipped import shipped

ROOT = Path(__file__).parents[2]
ENDED = ("DONE", "STOPPED", "ERROR")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def environment(folder):
    """Of a user whose home is in `folder`, with the interpreter's environment active."""
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "HOME": str(home),
        "NNI_CONFIG_DIR": str(home / "nni"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "ALPHANET_HOME": str(home / "store"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }


def run(folder, *command, check=True):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=250, check=False, cwd=folder, env=environment(folder)
    )
    assert not check or done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done


def copy_configs(folder):
    """The shipped files, where a user in `folder` has them."""
    shutil.copytree(shipped("configs"), folder / "configs")


class Experiment:
    """Made by `nnictl create --config CONFIG` in `folder`; a context manager that leaves no process behind."""

    def __init__(self, folder, config):
        self.folder, self.port, self.pids = folder, free_port(), []
        done = run(folder, "nnictl", "create", "--config", config, "--port", str(self.port))
        self.id = re.search(r"nnictl stop (\w+)", done.stdout)[1]
        self._remember_process()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run(self.folder, "nnictl", "stop", self.id, check=False)
        for pid in self.pids:
            for _ in range(50):
                if not _alive(pid):
                    break
                time.sleep(0.2)
            else:
                os.kill(pid, signal.SIGKILL)

    def _remember_process(self):
        self.pids.append(self.get("/experiment-metadata")["pid"])

    def request(self, method, path):
        request = urllib.request.Request(f"http://localhost:{self.port}/api/v1/nni{path}", method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def get(self, path):
        return self.request("GET", path)

    @property
    def status(self):
        return self.get("/check-status")["status"]

    def trials(self, *statuses):
        return [job for job in self.get("/trial-jobs") if not statuses or job["status"] in statuses]

    def results(self):
        """Final results, and intermediate ones."""
        found = {"FINAL": [], "PERIODICAL": []}
        for metric in self.get("/metric-data"):
            found[metric["type"]].append(json.loads(json.loads(metric["data"])))
        return found["FINAL"], found["PERIODICAL"]

    def wait(self, until, seconds=280):
        for _ in range(seconds * 2):
            if until():
                return
            if self.status == "ERROR":
                break
            time.sleep(0.5)
        raise AssertionError(f"{self.status}, {self.trials()}\n{self.logs()}")

    def wait_done(self):
        self.wait(lambda: self.status == "DONE")

    def stop(self):
        run(self.folder, "nnictl", "stop", self.id)

    def resume(self):
        run(self.folder, "nnictl", "resume", self.id, "--port", str(self.port))
        self._remember_process()

    def log(self, name):
        return (self.folder / "home/nni-experiments" / self.id / "log" / name).read_text()

    def logs(self):
        trials = (self.folder / "home/nni-experiments" / self.id).glob("environments/*/trials/*/trial.stderr")
        texts = [self.log("dispatcher.log"), *(path.read_text() for path in sorted(trials))]
        return "\n".join(text[-1500:] for text in texts)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
