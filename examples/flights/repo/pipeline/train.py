"""Stage `train`: learn the arrival delay in minutes.

    python -m pipeline.train FOLDER

reads FOLDER/train.parquet and writes model/model.skops and metrics.json. The
model joins the registry later, when the commit that made it is known.
"""

import json
import sys
from pathlib import Path

import pandas as pd
import skops.io  # type: ignore[import-untyped]  # skops has no types
from sklearn.ensemble import HistGradientBoostingRegressor

from . import params
from .features import FEATURES


def main(folder: Path) -> None:
    """Run the stage."""
    wanted = params.load()
    train = pd.read_parquet(folder / "train.parquet")
    # Absolute error, since that is what the model is judged by; gaps need no filling.
    model = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=wanted.iterations, random_state=wanted.seed
    ).fit(train[[*FEATURES]], train["arr_delay"])

    test = pd.read_parquet(folder / "test.parquet")
    error = (model.predict(test[[*FEATURES]]) - test["arr_delay"]).abs().mean()

    Path("model").mkdir(exist_ok=True)
    skops.io.dump(
        model, Path("model") / "model.skops"
    )  # loads without running code, unlike a pickle
    metrics = {"mean_absolute_error": round(float(error), 4), "rows": len(train)}
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
