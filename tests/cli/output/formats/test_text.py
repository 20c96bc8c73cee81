import pytest

from tests.cli.output.formats.outcomes import BROKEN, FINE
from trilock.cli.output.formats import text


def test_grouped_by_reader_and_weight() -> None:
    assert text.render(BROKEN).splitlines() == [
        "feature repository feature_repo: incompatible",
        "delay@production, live: bundle 2: incompatible",
        "1 error:",
        (
            "  CON001  models/delay/bundles/2/wind: models/delay/bundles/2 would break (FIT001):"
            " it expects 'wind' (feature_repo/features.py:12)"
        ),
        "      mend: keep it",
        "1 warning:",
        "  POL001  wind: the waiver expired",
        "      mend: renew it",
        "1 note:",
        "  SEM002  on_demand_feature_view/x: other bytes",
        "1 waived:",
        "  CON002  models/delay/bundles/2/weather:temp: made in another way",
        "      waived by ann until 2026-12-31: known",
        "delay@production, rollback target: bundle 1: compatible",
        "breaks delay@production: bundle 2 is live",
    ]


def test_one_thing_needs_one_line() -> None:
    assert text.render(FINE) == "bundle 2: compatible\n"


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    coloured = text.render(FINE)
    monkeypatch.setenv("NO_COLOR", "1")

    assert coloured == "bundle 2: \x1b[32mcompatible\x1b[0m\n"
    assert text.render(FINE) == "bundle 2: compatible\n"
