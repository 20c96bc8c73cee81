"""What params.yaml says, with types."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """The parameters of the pipeline."""

    cutoff: pd.Timestamp
    """Flights that leave before it are learned from, later ones are served."""
    test_rows: int
    train_rows: int
    iterations: int
    seed: int


def load() -> Params:
    """Read params.yaml in the current directory, which is the repository's root."""
    text = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return Params(
        cutoff=pd.Timestamp(text["cutoff"], tz="UTC"),
        test_rows=text["features"]["test_rows"],
        train_rows=text["train"]["rows"],
        iterations=text["train"]["iterations"],
        seed=text["train"]["seed"],
    )
