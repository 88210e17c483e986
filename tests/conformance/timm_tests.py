"""Run timm's own tests/test_models.py, unedited, over the entries of this package.

    python tests/conformance/timm_tests.py                              # every entry
    python tests/conformance/timm_tests.py alphanet_a0 -- -k fx         # some entries; what follows `--` is pytest's

The file comes from the source distribution of the installed timm (its wheel has no tests): pip fetches it once into the
user's cache folder. The tests run in a process of their own, with `timm_tests_plugin` beside this file to point them at
our entries.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import platformdirs

HERE = Path(__file__).parent
TIMM = importlib.metadata.version("timm")
ENTRIES = [
    *(f"alphanet_{name}" for name in ("a0", "a1", "a2", "a3", "a4", "a5", "a5_base", "a6", "min", "max")),
    *(f"attentive_nas_{name}" for name in ("a0", "a1", "a2", "a3", "a4", "a5", "a6")),
    *(f"ofa_{name}" for name in ("mbv3_largest", "mbv3_smallest", "proxyless_largest", "proxyless_smallest")),
    "us_mobilenet_v1",
    "us_mobilenet_v2",
]
EXCLUDED = dict.fromkeys(
    ("alphanet_subnet", "ofa_mbv3_subnet", "ofa_proxyless_subnet", "mobile_subnet"),
    "there is no network before an arch is given, and timm's tests build models by name alone",
)

_INI = """\
[pytest]
timeout = 600
markers =
    base: timm's
    forward: timm's
    backward: timm's
    cfg: timm's
    cfg_nonstd: timm's
    torchscript: timm's
    features: timm's
    fxforward: timm's
    fxbackward: timm's
"""


class NotAvailable(Exception):
    """timm's tests could not be fetched; the message says why."""


def fetch() -> Path:
    """The folder that holds test_models.py of the installed timm, fetched if it is not there yet."""
    folder = platformdirs.user_cache_path("alphanet", appauthor=False) / "timm-tests" / TIMM
    if not (folder / "test_models.py").is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as beside:
                _extract(_download(Path(beside)), Path(beside) / "test_models.py")
                os.replace(Path(beside) / "test_models.py", folder / "test_models.py")
        except (OSError, KeyError, tarfile.TarError) as error:
            raise NotAvailable(f"cannot keep timm {TIMM}'s tests in {folder}: {error}") from error
    return folder


def _extract(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        source = tar.extractfile(f"timm-{TIMM}/tests/test_models.py")
        assert source is not None
        target.write_bytes(source.read())


def _download(folder: Path) -> Path:
    tried = []
    for pip in _pips():
        command = [*pip, "download", "--no-deps", "--no-binary", "timm", f"timm=={TIMM}", "-d", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        except subprocess.TimeoutExpired:
            tried.append(f"`{' '.join(pip)}` took over 4 minutes")
            continue
        archives = list(folder.glob("timm-*.tar.gz"))
        if done.returncode == 0 and archives:
            return archives[0]
        tried.append(f"`{' '.join(pip)}` said: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}")
    raise NotAvailable(f"cannot fetch timm {TIMM}'s tests: {'; '.join(tried) or 'there is no pip'}")


def _pips() -> list[list[str]]:
    """Ways to run pip here; environments made by uv have none of their own."""
    # Not by looking for the module: setuptools then warns where distutils is imported already.
    installed = {package.name for package in importlib.metadata.distributions()}
    ways = [[sys.executable, "-m", "pip"]] if "pip" in installed else []
    ways += [[found] for name in ("pip", "pip3") if (found := shutil.which(name))][:1]
    return ways + [[found, "tool", "run", "pip"] for name in ("uv",) if (found := shutil.which(name))]


def run(entries: list[str], *pytest_args: str) -> subprocess.CompletedProcess[str]:
    """Run timm's tests over `entries`; the output is pytest's."""
    tests = fetch()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tests / "test_models.py", folder)
        shutil.copy(HERE / "timm_listed_tests.py", Path(folder) / "test_listed.py")
        (Path(folder) / "pytest.ini").write_text(_INI)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "timm_tests_plugin", "-p", "no:cacheprovider", "-q", *pytest_args],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
                "ALPHANET_CONFORMANCE_ENTRIES": " ".join(entries),
                "ALPHANET_HOME": str(Path(folder) / "empty-store"),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def main(arguments: list[str]) -> int:
    """Print what pytest prints and return its status."""
    if "--" in arguments:
        at = arguments.index("--")
        entries, rest = arguments[:at], arguments[at + 1 :]
    else:
        entries, rest = arguments, []
    try:
        done = run(entries or ENTRIES, *rest)
    except NotAvailable as error:
        print(error)
        return 1
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
