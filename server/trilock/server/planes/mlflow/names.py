"""The names a model registry takes, checked before it is asked.

Stricter than MLflow, whose own patterns let a line break at the end through
and which answers a bad name and a missing alias with the same code.
"""

import re
from typing import Final

from trilock.server.domain.errors import InvalidNameError
from trilock.server.domain.names import alias_name

_MODEL: Final = re.compile(r"[^/:\s](?:[^/:\n\r\t]{0,253}[^/:\s])?")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")


def check_model(text: str) -> None:
    """Check that *text* can be a registered model's name.

    Raises:
        InvalidNameError: It cannot.
    """
    if not _MODEL.fullmatch(text):
        raise InvalidNameError(kind="registered model", value=text, pattern=_MODEL.pattern)


def check_version(text: str) -> None:
    """Check that *text* can be a version.

    Raises:
        InvalidNameError: It cannot.
    """
    if not _VERSION.fullmatch(text):
        raise InvalidNameError(kind="model version", value=text, pattern=_VERSION.pattern)


def check_alias(text: str) -> None:
    """Check that *text* can be an alias.

    Raises:
        InvalidNameError: It cannot, or MLflow reserves it.
    """
    alias_name(text)


def model_label(model: str) -> str:
    """Return how messages call a model."""
    return f"model {model!r}"


def version_label(*, model: str, version: str) -> str:
    """Return how messages call a version."""
    return f"version {version} of {model_label(model)}"


def alias_label(*, model: str, alias: str) -> str:
    """Return how messages call an alias."""
    return f"alias {alias!r} of {model_label(model)}"
