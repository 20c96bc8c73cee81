"""Load a model in a process of its own: whatever its code does, the answer is one line, in time.

The registry's address goes to the worker on standard input, since it may hold a
password; what the model's code prints goes nowhere.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Final

_WORKER: Final = "trilock.server.planes.mlflow.load_worker"
_TAIL: Final = 4096


def load_in_worker(uri: str, *, model: str, version: str, seconds: float) -> str:
    """Return why the version cannot be loaded, in one line; "" if it can."""
    request = json.dumps({"uri": uri, "model": model, "version": version}).encode()
    with tempfile.TemporaryFile() as noise, tempfile.TemporaryDirectory() as scratch:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=noise,
            stderr=noise,
            cwd=scratch,
            start_new_session=True,
            env=_environment(),
        )
        try:
            process.communicate(request, timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"it took longer than {seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            return ""
        size = noise.seek(0, os.SEEK_END)
        noise.seek(max(0, size - _TAIL))
        lines = noise.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"its process ended with code {process.returncode}"


def _environment() -> dict[str, str]:
    # The model's code has no business with the server's tokens.
    return {key: value for key, value in os.environ.items() if not key.startswith("TRILOCK_")}
