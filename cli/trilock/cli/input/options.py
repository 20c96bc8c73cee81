"""Options and arguments that several commands share, spelled once."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from trilock.cli.output.streams import Format


class Half(StrEnum):
    """Which half is taken from the bundle that is named."""

    MODEL = "model"
    FEATURES = "features"


Output = Annotated[Format, typer.Option("--output", "-o", help="How data is written to stdout.")]
AliasArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL[@ALIAS]",
        help="The alias; production by default, and the model may be left out if there is one.",
        show_default=False,
    ),
]
AliasFilter = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL[@ALIAS]",
        help="Only this one; every alias by default.",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="The model; by default the only one.", show_default=False),
]
ModelFilter = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="Only this model's.", show_default=False),
]
BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="17, delay/17 or models/delay/bundles/17.")
]
Reason = Annotated[str, typer.Option(help="Why. Recorded in the history.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")]
AcceptWindow = Annotated[
    str,
    typer.Option(
        metavar="WHY",
        help="In place: let readers be served what does not go together, for a while.",
        show_default=False,
    ),
]
Only = Annotated[
    Half | None,
    typer.Option(help="Only the bundle's model, or its features; the other half stays as it is."),
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the operation, or print its name.")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")]
FeaturesFrom = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="First event time to fill the features with.", show_default=False
    ),
]
FeaturesTo = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Event time to fill the features up to.", show_default=False),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="MODEL[@ALIAS]=BUNDLE",
        help="Switch this one with the same pivot; may be repeated.",
        show_default=False,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        envvar="TRILOCK_CONFIG",
        metavar="FILE",
        help="The server's settings; trilock.toml by default.",
        show_default=False,
    ),
]

PROMOTE_TIMEOUT_S: Final = 1800.0
ROLLBACK_TIMEOUT_S: Final = 120.0
TIMEOUT_HELP: Final = "Seconds to wait at most; the operation goes on."
