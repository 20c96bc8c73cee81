"""What only DVC can reach, cloud remotes and imports, fetched by DVC itself.

DVC runs in a process of its own, with a time limit, on a throwaway repository
made of the commit's files: it takes over the process that it is imported into,
and its commands change the user's cache. What it brings is a store like any
other: whoever copies from it hashes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from trilock.server.planes.pipeline.dvc_config import Store

SECONDS: Final = 1800.0
_LABEL: Final = "what DVC fetched"
_TAIL: Final = 4096


@contextlib.contextmanager
def fetched(
    files: Mapping[str, bytes], *, local: Mapping[str, str], seconds: float = SECONDS
) -> Iterator[tuple[Store | None, str]]:
    """Yield the store that DVC has filled, and its last words if it did not fetch all.

    Args:
        files: Path and content of every file of the commit that DVC reads.
        local: Text of `.dvc/config.local`, by root of a DVC repository: secrets of remotes.
        seconds: When DVC is stopped.
    """
    with tempfile.TemporaryDirectory(prefix="trilock-dvc-") as scratch:
        top, cache = Path(scratch, "repo"), Path(scratch, "cache")
        for path, content in files.items():
            if ".." not in Path(path).parts and not Path(path).is_absolute():
                target = top / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        said = ""
        for root, text in sorted(local.items()):
            folder = top / root
            (folder / ".dvc").mkdir(parents=True, exist_ok=True)
            config = folder / ".dvc" / "config.local"
            # Not a repository of git's, and with a cache of its own; the last word counts.
            own = f"[core]\n    no_scm = true\n    analytics = false\n[cache]\n    dir = {cache}\n"
            config.write_text(f"{text}\n{own}")
            config.chmod(0o600)
            said = _run(folder, home=Path(scratch), seconds=seconds) or said
        yield (Store(label=_LABEL, path=cache) if cache.is_dir() else None), said


def _run(folder: Path, *, home: Path, seconds: float) -> str:
    """Run `dvc fetch` in *folder*; return "" or, if it failed, its last line."""
    with tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dvc", "fetch"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=noise,
            stderr=noise,
            start_new_session=True,
            env=_environment(home),
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"it took longer than {seconds:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code == 0:
            return ""
        size = noise.seek(0, os.SEEK_END)
        noise.seek(max(0, size - _TAIL))
        lines = noise.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        return (errors or lines or [f"exit code {code}"])[-1].removeprefix("ERROR: ")


def _environment(home: Path) -> dict[str, str]:
    # Credentials of clouds come from the environment or the real home; our own do not go along.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TRILOCK_")}
    return kept | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "GIT_TERMINAL_PROMPT": "0",
    }
