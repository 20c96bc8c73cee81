import io
from pathlib import Path

import pytest
from examples.flights.narrator import Narrator, place


def told() -> tuple[Narrator, io.StringIO]:
    stream = io.StringIO()
    return Narrator(stream), stream


def test_a_long_line_is_folded_where_its_rest_is_told_apart() -> None:
    narrator, stream = told()

    narrator.printed("  FIT004  seats: " + "word " * 30)

    assert stream.getvalue() == (
        "      FIT004  seats: " + "word " * 19 + "word\n" + "          " + "word " * 9 + "word\n"
    )


def test_a_very_long_line_is_cut() -> None:
    narrator, stream = told()

    narrator.printed("word " * 100)

    first, second = stream.getvalue().splitlines()
    assert len(first) < 121
    assert second.endswith(" word ...")


def test_lines_keep_their_shape() -> None:
    narrator, stream = told()

    narrator.printed("delay@production  SOAKING")
    narrator.printed("├── live       bundle 2")
    narrator.printed("")

    assert stream.getvalue() == "    delay@production  SOAKING\n    ├── live       bundle 2\n\n"


def test_what_takes_long_has_its_time() -> None:
    narrator, stream = told()

    with narrator.working("training"):
        assert stream.getvalue() == ""

    assert stream.getvalue() == "      0.0 s  training\n"


def test_a_table_is_not_folded_in_a_file() -> None:
    narrator, stream = told()

    narrator.table(["proof", "seen"], [("table_clean", "x" * 200), ("[b]", "1")])

    assert stream.getvalue().splitlines() == [
        "    proof        seen",
        "    table_clean  " + "x" * 200,
        "    [b]          1",
    ]


def test_a_proof_that_fails_stands_out_without_colour() -> None:
    narrator, stream = told()

    narrator.proven("table_clean", "0 rows", holds=True)
    narrator.proven("table_clean", "7 rows", holds=False)

    assert stream.getvalue() == (
        "    proof  table_clean: 0 rows\n    FAILED  table_clean: 7 rows\n"
    )


def test_places_are_told_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert place(tmp_path / "build" / "demo") == "build/demo"
    assert place(tmp_path.parent) == str(tmp_path.parent)
