"""NNI's manager as a tuner reaches it: over its REST interface on this computer."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphanet_tuner import report_error

FAILED = ("FAILED", "USER_CANCELED", "SYS_CANCELED")  # NNI's status of trials that ended without success
_CHANNEL = "NNI_TUNER_COMMAND_CHANNEL"


@dataclass(frozen=True)
class TrialJob:
    """A trial as the manager knows it.

    Attributes:
        parameter_id: Of the parameters that it was submitted with.
        parameters: Those parameters.
        ended: Whether it has succeeded, failed or been cancelled.
    """

    parameter_id: int | None
    parameters: Any
    ended: bool


class Manager:
    """The manager of the experiment that this process is the tuner of.

    Args:
        url: Of its REST interface, such as ``http://localhost:8080/api/v1/nni``.
    """

    def __init__(self, url: str):
        self.url = url

    @classmethod
    def of_this_tuner(cls) -> Manager | None:
        """From the address that the manager gave this process; None where there is no manager."""
        found = re.fullmatch(r"ws://(.+?)/tuner", os.environ.get(_CHANNEL, ""))
        return cls(f"http://{found[1]}/api/v1/nni") if found else None

    def trial_jobs(self) -> list[TrialJob]:
        """All trials, also waiting ones.

        Raises:
            OSError: The manager does not answer.
        """
        return [_read_job(job) for job in self._request("GET", "/trial-jobs")]

    def last_words(self, count: int = 3) -> list[str]:
        """The last line of standard error of the trials that failed last, each different one once.

        Nothing where the manager does not answer or a trial's files lie elsewhere.
        """
        try:
            failed = [job for job in self._request("GET", "/trial-jobs") if job["status"] in FAILED]
        except OSError:
            return []
        failed.sort(key=lambda job: job.get("endTime") or 0)
        files = (Path(urllib.parse.urlparse(job.get("logPath") or "").path) / "trial.stderr" for job in failed[-count:])
        return list(dict.fromkeys(filter(None, map(last_line, files))))

    def code_directory(self) -> str:
        """The absolute folder in which trials start.

        Raises:
            OSError: The manager does not answer.
        """
        params = self._request("GET", "/experiment")["params"]
        return params["trialCodeDirectory"]

    def end_experiment(self) -> None:
        """Let the experiment come to DONE once its present trials have ended.

        NNI 3.0 ends an experiment for its bounds alone: where a tuner has no more trials to give, the manager stays in
        TUNER_NO_MORE_TRIAL for ever. So the bound on the number of trials becomes the number that there are.

        Raises:
            OSError: The manager does not answer.
        """
        count = len(self.trial_jobs())
        self._request("PUT", "/experiment?update_type=MAX_TRIAL_NUM", {"params": {"maxTrialNumber": count}})

    def fail_experiment(self, message: str) -> None:
        """Let the experiment's status be ERROR, with this message in NNI's log."""
        report_error(message)

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        # the manager is on this computer: no proxy lies between
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None


def last_line(file: Path) -> str:
    """Of what a program said; empty if it said nothing or its file cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""


def _read_job(job: dict[str, Any]) -> TrialJob:
    packed = json.loads((job.get("hyperParameters") or ["{}"])[0])
    return TrialJob(
        parameter_id=packed.get("parameter_id"),
        parameters=packed.get("parameters"),
        ended=job["status"] not in ("WAITING", "RUNNING", "UNKNOWN"),
    )
