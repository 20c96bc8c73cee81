"""Where settings come from: the environment over one TOML file, not validated yet."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from trilock.server.domain.errors import InvalidError

PREFIX: Final = "TRILOCK_"


class SettingsError(InvalidError):
    """The settings are wrong; every violation is listed."""

    def __init__(self, source: str, violations: tuple[tuple[str, str], ...]) -> None:
        lines = [f"{place}: {what}" if place else what for place, what in violations]
        # One violation reads as one line; several as a list.
        listed = f" {lines[0]}" if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)
        super().__init__(f"{source}:{listed}")
        self.violations = violations


def merged_settings(path: Path, *, default: bool) -> dict[str, Any]:
    """Return the environment over the file *path*, nested, not validated yet.

    Args:
        path: The settings file.
        default: Whether nobody named the file: then the environment will do without it.

    Raises:
        SettingsError: Neither is there, or one of them cannot be read.
    """

    class Merged(BaseSettings):
        model_config = SettingsConfigDict(extra="allow")

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: object, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                _Environment(settings_cls),
                TomlConfigSettingsSource(settings_cls, toml_file=path),
            )

    try:
        merged = dict(Merged().model_extra or {})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), (("", f"is not valid TOML: {error}"),)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), (("", "is not UTF-8"),)) from error
    except OSError as error:
        raise SettingsError(str(path), (("", f"cannot be read: {error.strerror}"),)) from error
    if not path.is_file() and not (merged and default):
        what = "there is no such file; `trilock init` writes one"
        raise SettingsError(str(path), (("", what),))
    # Its defaults depend on the folder, so the section is validated even if it is not there.
    return {"database": {}, **merged}


class _Environment(PydanticBaseSettingsSource):
    """Variables with `__`, by their path; a JSON array or object is taken as one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401
        """Not used: see `__call__`."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the environment says, nested."""
        found: dict[str, Any] = {}
        for name, text in sorted(os.environ.items()):
            path = name.removeprefix(PREFIX).lower().split("__")
            if not name.startswith(PREFIX) or len(path) < 2:  # noqa: PLR2004 - a section and a key
                continue
            *parents, last = path
            node = found
            for parent in parents:
                node = node.setdefault(parent, {})
                if not isinstance(node, dict):
                    what = f"{name} is inside another variable's value"
                    raise SettingsError("environment", (("", what),))
            node[last] = _parsed(name, text)
        return found


def _parsed(name: str, text: str) -> Any:  # noqa: ANN401 - JSON
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError("environment", ((name, "is not valid JSON"),)) from error
