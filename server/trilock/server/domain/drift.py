"""Drift: a plane that agreed with the live row, and that somebody else has changed since."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How one plane is, and how it should be."""

    plane: str
    """Name of the projection that follows the live row."""
    resource: str
    """What was changed: `Feast project delay__s1_0a1b2c`."""
    wanted: str
    found: str
    changes: tuple[str, ...] = ()
    """What is different, one line each."""
