"""Values of settings: the form they must have, and what relative paths are relative to."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from trilock.server.domain.access import principal_name
from trilock.server.domain.errors import InvalidNameError
from trilock.server.domain.names import alias_name, model_name

SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = re.compile(r"postgresql(\+psycopg)?://.+")
_CONNECTION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:")
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:]*):[^/]*@")
_SECRET_QUERY: Final = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*")


def redacted(url: str) -> str:
    """Return *url* with every password in it replaced by `***`."""
    return _SECRET_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def wrong(what: str) -> PydanticCustomError:
    """Return what a validator raises; *what* is told as it stands."""
    # Braces would be read as a template.
    return PydanticCustomError("trilock", "{what}", {"what": what})


def _beside(path: Path, info: ValidationInfo) -> Path:
    """Return *path*, taken from the folder of the settings file."""
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    return folder / path.expanduser()


def _beside_url(url: SecretStr, info: ValidationInfo) -> SecretStr:
    """Return *url*; a relative file in it is taken from the folder of the settings file."""
    text = url.get_secret_value()
    if text.startswith(SQLITE) and text != SQLITE:
        file = text.removeprefix(SQLITE)
        if file.startswith(":memory:"):
            raise wrong("must be a file, a database in memory is gone with the process")
        return SecretStr(f"{SQLITE}{_beside(Path(file), info)}")
    return url


def _database_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if not (_POSTGRESQL.fullmatch(text) or (text.startswith(SQLITE) and text != SQLITE)):
        raise wrong("must be sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    return url


def _registry_uri(uri: SecretStr, info: ValidationInfo) -> SecretStr:
    text = uri.get_secret_value()
    if not text:
        raise wrong("must not be empty")
    return uri if _SCHEME.match(text) else SecretStr(str(_beside(Path(text), info)))


def _name(parse: Callable[[str], object], name: str) -> str:
    try:
        parse(name)
    except InvalidNameError as error:
        raise wrong(str(error)) from error
    return name


def _connection_name(name: str) -> str:
    if not _CONNECTION.fullmatch(name):
        raise wrong(f"{name!r} is not a name of a connection: it must match {_CONNECTION.pattern}")
    return name


File = Annotated[Path, AfterValidator(_beside)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url), AfterValidator(_beside_url)]
RegistryUri = Annotated[SecretStr, AfterValidator(_beside_url), AfterValidator(_registry_uri)]
Text = Annotated[str, Field(min_length=1, max_length=255)]
AliasKey = Annotated[str, AfterValidator(partial(_name, alias_name))]
ConnectionName = Annotated[str, AfterValidator(_connection_name)]
ModelKey = Annotated[str, AfterValidator(partial(_name, model_name))]
PrincipalKey = Annotated[str, AfterValidator(partial(_name, principal_name))]


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values never told."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
