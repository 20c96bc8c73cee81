"""The commit that a command means, as git in the current folder says."""

import re
import subprocess
from typing import Final

from trilock.cli.exits import UsageError

_FULL: Final = re.compile(r"[0-9a-f]{40}")
_GIT_S: Final = 30


def full_commit(given: str | None, *, option: str = "--commit") -> str:
    """Return the full id of *given*, or of HEAD of the repository in the current folder.

    Raises:
        UsageError: There is no such commit here, or no repository.
    """
    if given is not None and _FULL.fullmatch(given):
        return given  # it need not be in a repository here
    name = given or "HEAD"
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and options have ended
            command, capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git cannot be asked ({error}): say {option} with a full id") from error
    if done.returncode:
        raise UsageError(
            f"there is no commit {name!r} in the current folder's git repository: "
            f"say {option} with a full id"
        )
    return done.stdout.strip()
