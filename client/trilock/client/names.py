"""The short forms of names that people type, and what they stand for.

    delay                                models/delay/aliases/production
    delay@canary                         models/delay/aliases/canary
    models/delay/aliases/production      itself

Only the shape is looked at: whether a name is well-formed is for the server to
say, in one place and in the same words for everybody.
"""

from typing import Final

from trilock.client.errors import InvalidError

DEFAULT_ALIAS: Final = "production"
"""What a model's name alone stands for."""


def alias_resource(text: str) -> str:
    """Return the full name of the alias that *text* spells.

    Args:
        text: `MODEL`, `MODEL@ALIAS` or the full name.

    Raises:
        InvalidError: It is none of the three.
    """
    if "/" in text:
        parts = text.split("/")
        if len(parts) == 4 and parts[::2] == ["models", "aliases"] and all(parts):  # noqa: PLR2004
            return text
    else:
        model, at, alias = text.partition("@")
        if model and (alias or not at) and "@" not in alias:
            return f"models/{model}/aliases/{alias or DEFAULT_ALIAS}"
    raise InvalidError(
        f"{text!r} is not an alias: say MODEL, MODEL@ALIAS or models/MODEL/aliases/ALIAS",
        reason="INVALID_NAME",
        metadata={"kind": "alias", "value": text},
    )


def short_alias(name: str) -> str:
    """Return `MODEL@ALIAS` for the full name of an alias; anything else comes back as it is."""
    parts = name.split("/")
    return f"{parts[1]}@{parts[3]}" if len(parts) == 4 and parts[2] == "aliases" else name  # noqa: PLR2004
