"""RULE=SEVERITY, as options spell it, for a check that is judged here."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from trilock.cli.exits import UsageError
from trilock.compat import RULES, Reader, Severity

_RULES: Final = frozenset(rule.id for rule in RULES)


def reweighed(readers: Iterable[Reader], given: Sequence[str]) -> tuple[Reader, ...]:
    """Return *readers* with the severities of *given* before those of their policies.

    Args:
        readers: Who is judged.
        given: Texts such as `CON002=warning`.

    Raises:
        UsageError: One is malformed, or names no rule or no severity.
    """
    severities = dict(_parsed(text) for text in given)
    return tuple(
        replace(
            reader,
            policy=replace(reader.policy, severities={**reader.policy.severities, **severities}),
        )
        for reader in readers
    )


def _parsed(text: str) -> tuple[str, Severity]:
    rule, equals, level = text.partition("=")
    if not equals or level.upper() not in set(Severity):
        levels = ", ".join(severity.lower() for severity in Severity)
        raise UsageError(f"{text!r} is not RULE=SEVERITY; a severity is one of: {levels}")
    if rule.upper() not in _RULES:
        raise UsageError(f"there is no rule {rule!r}; `trilock rules` lists them")
    return rule.upper(), Severity(level.upper())
