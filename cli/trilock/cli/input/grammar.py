"""What people may type for a thing, and which thing it is.

    MODEL[@ALIAS]   delay, delay@canary, @canary, models/delay/aliases/canary, or nothing
    BUNDLE          17, delay/17, models/delay/bundles/17
    SINK            predictions, delay/predictions, models/delay/sinks/predictions
    RELEASE         4, delay/4, models/delay/releases/4
    WAIVER          2, delay/2, models/delay/waivers/2
    WITH            eta=5, eta@canary=5: what goes live where, together with something else
    SCHEMA          delay_v1/3, featureSchemas/delay_v1/versions/3
    OPERATION       the id, or operations/ID
    TIME            ISO 8601; without an offset it is UTC

What is left out is filled in where only one thing can be meant: the alias is
`production`, the model is the server's only one. Otherwise it is asked for.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from trilock.cli.exits import UsageError
from trilock.client.names import DEFAULT_ALIAS

_ALIAS: Final = "models/{model}/aliases/{alias}"
_OPERATION: Final = re.compile(r"[0-9a-f]{32}")


class Names:
    """Completes names.

    Args:
        models: Asks the server for its models; called at most once, and only if needed.
    """

    def __init__(self, models: Callable[[], Sequence[str]]) -> None:
        self._ask = models
        self._models: Sequence[str] | None = None

    def model(self, text: str | None) -> str:
        """Return the model that *text* names; the server's only one if it is empty.

        Raises:
            UsageError: It is empty and the server has none, or several.
        """
        if text:
            return text
        if self._models is None:
            self._models = self._ask()
        if len(self._models) == 1:
            return self._models[0]
        if not self._models:
            raise UsageError("the server's settings have no model; add one to trilock.toml")
        raise UsageError(f"which model? say one of: {', '.join(self._models)}")

    def require(self, text: str | None) -> None:
        """Do nothing if the server's settings have the model that *text* names, if it does.

        A list of what a misspelt model has is empty, which reads like good news.

        Args:
            text: A model, or the full name of what is a model's; empty for none.

        Raises:
            UsageError: They do not.
        """
        if not text:
            return
        model = text.split("/")[1] if text.startswith("models/") else text
        if self._models is None:
            self._models = self._ask()
        if model not in self._models:
            known = ", ".join(self._models) or "none"
            raise UsageError(f"no model {model!r} in the server's settings; there is: {known}")

    def alias(self, text: str | None, *, model: str | None = None) -> str:
        """Return the full name of the alias that *text* spells.

        Args:
            text: MODEL[@ALIAS], or nothing.
            model: The model that is meant if *text* names none.

        Raises:
            UsageError: It is malformed, or no single model is meant.
        """
        if text and "/" in text:
            return _full(text, _ALIAS, kind="MODEL[@ALIAS]")
        name, at, alias = (text or "").partition("@")
        if "@" in alias or (at and not alias):
            raise UsageError(f"{text!r} is not MODEL[@ALIAS]")
        return f"models/{self.model(name or model)}/aliases/{alias or DEFAULT_ALIAS}"

    def bundle(self, text: str, *, model: str | None = None) -> str:
        """Return the full name of the bundle that *text* spells.

        Args:
            text: BUNDLE.
            model: The model that is meant if *text* names none.

        Raises:
            UsageError: It is malformed, or no single model is meant.
        """
        return self._child(text, "bundles", kind="BUNDLE", model=model)

    def placed(self, bundle: str, alias: str | None) -> tuple[str, str]:
        """Return the full names of a bundle and of where it goes; either names both's model.

        Raises:
            UsageError: One is malformed, or no single model is meant.
        """
        name = self.bundle(bundle, model=_model_of(alias))
        return name, self.alias(alias, model=name.split("/")[1])

    def companion(self, text: str) -> tuple[str, str]:
        """Return the full names of the alias and the bundle that MODEL[@ALIAS]=BUNDLE spells.

        Raises:
            UsageError: It is malformed.
        """
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise UsageError(f"{text!r} is not MODEL[@ALIAS]=BUNDLE")
        alias = self.alias(left)
        model = alias.split("/")[1]
        return alias, f"models/{model}/bundles/{right}" if "/" not in right else self.bundle(right)

    def sink(self, text: str, *, model: str | None = None) -> str:
        """Return the full name of the sink that *text* spells.

        Args:
            text: SINK.
            model: The model that is meant if *text* names none.

        Raises:
            UsageError: It is malformed, or no single model is meant.
        """
        return self._child(text, "sinks", kind="SINK", model=model)

    def release(self, text: str, *, model: str | None = None) -> str:
        """Return the full name of the release that *text* spells.

        Args:
            text: RELEASE.
            model: The model that is meant if *text* names none.

        Raises:
            UsageError: It is malformed, or no single model is meant.
        """
        return self._child(text, "releases", kind="RELEASE", model=model)

    def waiver(self, text: str) -> str:
        """Return the full name of the waiver that *text* spells.

        Raises:
            UsageError: It is malformed, or no single model is meant.
        """
        return self._child(text, "waivers", kind="WAIVER")

    def _child(self, text: str, collection: str, *, kind: str, model: str | None = None) -> str:
        if text.count("/") > 1:
            return _full(text, f"models/{{model}}/{collection}/{{id}}", kind=kind)
        named, _, child = text.rpartition("/")
        if not child or (text.count("/") and not named):
            raise UsageError(f"{text!r} is not a {kind}")
        return f"models/{self.model(named or model)}/{collection}/{child}"


def schema(text: str) -> str:
    """Return the full name of the feature schema that *text* spells.

    Raises:
        UsageError: It is malformed.
    """
    if text.startswith("featureSchemas/"):
        return _full(text, "featureSchemas/{service}/versions/{version}", kind="SCHEMA")
    service, slash, version = text.partition("/")
    if not (service and slash and version) or "/" in version:
        raise UsageError(f"{text!r} is not a SCHEMA: say SERVICE/VERSION")
    return f"featureSchemas/{service}/versions/{version}"


def operation(text: str) -> str:
    """Return the full name of the operation that *text* spells.

    Raises:
        UsageError: It is no id.
    """
    told = text.removeprefix("operations/")
    if not _OPERATION.fullmatch(told):
        raise UsageError(f"{text!r} is no operation's id; `trilock operations list` lists them")
    return f"operations/{told}"


def is_bundle(text: str) -> bool:
    """Return whether *text*, where a model or a bundle may stand, spells a bundle."""
    return text.isdecimal() or "/" in text


def moment(text: str) -> datetime:
    """Return the moment that *text* spells.

    Raises:
        UsageError: It is not ISO 8601.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: say e.g. 2026-01-31, or 2026-01-31T12:00:00Z"
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in *text*, or in the file that `@FILE` names.

    Raises:
        UsageError: The file cannot be read, or there is no JSON object in it.
    """
    origin = "the value given"
    if text.startswith("@"):
        origin = text[1:]
        try:
            text = Path(origin).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{origin!r} cannot be read: {error}") from error
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        raise UsageError(f"{origin} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{origin} is not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _model_of(alias: str | None) -> str | None:
    """Return the model that *alias* names; None if it names none."""
    if alias and "/" in alias:
        return _full(alias, _ALIAS, kind="MODEL[@ALIAS]").split("/")[1]
    return (alias or "").partition("@")[0] or None


def _full(text: str, template: str, *, kind: str) -> str:
    wanted, parts = template.split("/"), text.split("/")
    fits = len(wanted) == len(parts) and all(
        part and (want.startswith("{") or want == part)
        for want, part in zip(wanted, parts, strict=False)
    )
    if not fits:
        raise UsageError(f"{text!r} is not a {kind}: the full form is {template}")
    return text
