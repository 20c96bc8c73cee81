"""What is live on every alias at one revision: one value, replaced whole.

Messages are made when a change is seen, not when somebody asks, and are never
changed after that: every reader is given the same ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trilock.v1 import serving_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The live bundles of all aliases, by name, as of a revision."""

    generation: int
    revision: int
    live: Mapping[str, serving_pb2.LiveBundle]

    def advanced(self, changes: Iterable[serving_pb2.LiveBundle], *, revision: int) -> "Snapshot":
        """Return the snapshot after *changes*, which reach to *revision*."""
        changed = {change.alias: change for change in changes}
        # Most looks find nothing: then nothing is copied.
        live = {**self.live, **changed} if changed else self.live
        return Snapshot(generation=self.generation, revision=revision, live=live)
