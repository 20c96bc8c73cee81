"""The one question that is asked before something is done."""

import select
import sys
from typing import Final

from trilock.cli.exits import UsageError
from trilock.cli.output.streams import words

_LISTEN_S: Final = 0.1
"""How often the wait for an answer looks whether it was interrupted."""


def confirm(question: str, *, yes: bool, what: str) -> None:
    """Do nothing if the answer is yes.

    Args:
        question: Without its question mark: `roll back`.
        yes: Whether it was answered on the command line.
        what: What happens not, in the past tense: `rolled back`.

    Raises:
        UsageError: The answer is another one, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"there is no terminal to ask on: say --yes to {question}")
    words().print(f"{question}? [y/N]", end=" ")
    # A ctrl-c just before a blocking read is noticed after it: after the answer.
    while not select.select([sys.stdin], [], [], _LISTEN_S)[0]:
        pass
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError(f"not {what}")
