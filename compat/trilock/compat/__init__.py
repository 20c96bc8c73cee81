"""Would this model, these features and this pipeline work together? Pure answers."""

from trilock.compat.raw import RawObject

__all__ = ["RawObject"]
