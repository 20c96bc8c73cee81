"""The flights that are served: real ones, in the order of departure, with what happened to them."""

import pandas as pd
from examples.flights.world import BATCH, World


def batch(world: World, number: int, *, version: str = "v1") -> pd.DataFrame:
    """Return the *number*-th batch of flights after the cutoff, from 0.

    Args:
        world: Whose pipeline has run.
        number: 0 or 1.
        version: Whose meaning the features in it have, for example `v1`. The keys
            to ask Feast with, and the delay, are the same in all.
    """
    rows = pd.read_parquet(world.test_set(version))
    return rows.iloc[number * BATCH : (number + 1) * BATCH].reset_index(drop=True)
