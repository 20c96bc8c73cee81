"""A slot does not survive a fork: its thread stays in the parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, Final


def abandon_after_fork(abandon: Callable[[str], object]) -> None:
    """Have *abandon* called with the reason in every process that is forked from this one.

    Args:
        abandon: A method, which is forgotten with its object.
    """
    _alive.add(weakref.WeakMethod(abandon, _alive.discard))


_alive: Final[set[weakref.ref[Any]]] = set()


def _abandon_all() -> None:
    # The thread that switches stays in the parent; without a word the child would
    # serve what was live at the fork until it dies.
    for each in tuple(_alive):
        abandon = each()
        if abandon is not None:
            abandon(
                "the process was forked from the one that made the slot; make it after the fork"
            )


_register: Final[Callable[..., None] | None] = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_abandon_all)
