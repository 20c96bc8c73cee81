"""rules: what a check looks for. Needs no server: the rules are in every installation."""

import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.options import Output
from trilock.cli.output.streams import Format, say, write, write_json, write_table
from trilock.cli.running.command import Command
from trilock.compat import RULES, Rule

_WIDTH: Final = 96


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command(cls=Command)(rules)


def rules(
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="RULE", help="Explain this one, as FIT003; without: list all of them."
        ),
    ] = None,
    *,
    output: Output = Format.TABLE,
) -> None:
    """List the rules of a check, or explain one."""
    if rule is None:
        _list(output=output)
        return
    found = _rule(rule)
    if output is Format.JSON:
        write_json(_data(found))
    else:
        write("\n".join(_page(found)))


def _list(*, output: Format) -> None:
    if output is Format.JSON:
        write_json([_data(rule) for rule in RULES])
        return
    rows = [
        (rule.id, rule.category.lower(), rule.severity.lower(), _purpose(rule)) for rule in RULES
    ]
    write_table(["rule", "category", "severity", "promise"], rows)
    say("next: trilock rules RULE explains one")


def _rule(text: str) -> Rule:
    for rule in RULES:
        if rule.id == text.upper():
            return rule
    alike = [rule.id for rule in RULES if rule.id.startswith(text.upper()[:3])]
    known = f"; there is: {', '.join(alike)}" if alike else "; `trilock rules` lists them"
    raise UsageError(f"there is no rule {text!r}{known}")


def _page(rule: Rule) -> Iterator[str]:
    yield f"{rule.id}  {_purpose(rule)}"
    yield f"      {rule.category.lower()}, {rule.severity.lower()} unless the policy says otherwise"
    for heading, text in (("why", rule.why), ("example", rule.example), ("mend", rule.remedy)):
        yield ""
        yield f"{heading}:"
        for at, paragraph in enumerate(text.split("\n\n")):
            if at:
                yield ""
            yield from textwrap.wrap(
                paragraph,
                _WIDTH,
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )


def _purpose(rule: Rule) -> str:
    if rule.replaced_by is None:
        return rule.purpose
    return f"{rule.purpose} (retired: see {rule.replaced_by})"


def _data(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "category": rule.category.lower(),
        "severity": rule.severity.value,
        "purpose": rule.purpose,
        "why": rule.why,
        "remedy": rule.remedy,
        "example": rule.example,
        "replaced_by": rule.replaced_by,
    }
