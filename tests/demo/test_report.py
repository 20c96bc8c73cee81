import json
from pathlib import Path

import pytest
from examples.flights.report import PROOFS, Report


def whole() -> Report:
    report = Report()
    for name in PROOFS:
        report.add(name, True, "seen")
    return report


def test_every_proof_has_to_hold(tmp_path: Path) -> None:
    report = whole()
    report.seconds["rollback"] = 0.41236

    report.write(tmp_path / "report.json")

    assert report.ok
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "proofs": {
            "alias_restored": True,
            "mirror_equal": True,
            "values_equal": True,
            "clients_switched": True,
            "table_clean": True,
            "quarantine_counted": True,
            "late_write_refused": True,
            "predictions_identical": True,
            "incompatible_refused": True,
            "error_rose": True,
        },
        "seconds": {"rollback": 0.412},
        "ok": True,
    }


def test_one_that_does_not_hold_is_told(tmp_path: Path) -> None:
    report = Report()
    for name in PROOFS:
        report.add(name, name != "table_clean", "seen")

    report.write(tmp_path / "report.json")

    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["ok"], found["proofs"]["table_clean"]) == (False, False)
    assert list(report.failed()) == ["table_clean"]


def test_one_that_was_never_made_does_not_hold(tmp_path: Path) -> None:
    report = Report()

    report.write(tmp_path / "report.json")

    found = json.loads((tmp_path / "report.json").read_text())
    assert found == {"proofs": dict.fromkeys(PROOFS, False), "seconds": {}, "ok": False}


def test_a_proof_is_made_once_and_is_known() -> None:
    report = whole()

    with pytest.raises(ValueError, match="table_clean"):
        report.add("table_clean", True, "again")
    with pytest.raises(ValueError, match="table_cleaned"):
        report.add("table_cleaned", True, "seen")
