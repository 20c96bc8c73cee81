"""The MLmodel file, read without MLflow: no flavour is imported, nothing is loaded.

`Model.from_dict` of MLflow needs numpy and pandas for what is a JSON text in a
YAML file.
"""

from dataclasses import dataclass
from typing import Any, Final

import yaml

NAME: Final = "MLmodel"

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ModelFileError(ValueError):
    """The text is not an MLmodel file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What an MLmodel file says that concerns us."""

    model_id: str | None
    inputs: str | None
    outputs: str | None
    params: str | None


def parse_model_file(raw: bytes) -> ModelFile:
    """Return what the MLmodel file *raw* says.

    Raises:
        ModelFileError: It is not YAML, or not of that form.
    """
    try:
        document = yaml.load(raw, Loader=_LOADER)  # noqa: S506 - a safe loader, the fast one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 1})"
        raise ModelFileError(f"it is not YAML{where}") from error
    if not isinstance(document, dict):
        raise ModelFileError("it is not a YAML mapping")
    signature = document.get("signature") or {}
    if not isinstance(signature, dict):
        raise ModelFileError("its signature is not a mapping")
    return ModelFile(
        model_id=_text(document, "model_id"),
        inputs=_text(signature, "inputs"),
        outputs=_text(signature, "outputs"),
        params=_text(signature, "params"),
    )


def _text(mapping: dict[Any, Any], key: str) -> str | None:
    value = mapping.get(key)
    if value is not None and not isinstance(value, str):
        raise ModelFileError(f"its {key!r} is not a text")
    return value or None
