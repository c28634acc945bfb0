"""Dask: poses of a Parquet data set, refined partition by partition; the images are kept whole.

frame.shuffle("image_id").map_partitions(better, meta=frame)
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import dask.dataframe
import numpy as np
import pandas as pd
import pyarrow.parquet

import refine
from refine.corpus import refine_table
from refine.sample import make_people, make_predictions

with TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    refine.write(make_predictions(make_people(40, rng)[0], rng), f"{folder}/poses.parquet")
    schema = pyarrow.parquet.read_schema(f"{folder}/poses.parquet")

    def better(frame: pd.DataFrame) -> pd.DataFrame:
        table = pyarrow.Table.from_pandas(frame, schema, preserve_index=False)
        done: pd.DataFrame = refine_table(table).to_pandas()
        return done

    frame = dask.dataframe.read_parquet(f"{folder}/poses.parquet")
    parts = frame.repartition(npartitions=8).shuffle("image_id")
    done = parts.map_partitions(better, meta=frame)
    done.to_parquet(f"{folder}/better", schema=schema)
    print(len(frame), "->", len(dask.dataframe.read_parquet(f"{folder}/better")), "rows")
    print(sum(len(refine.read(path)) for path in Path(folder, "better").glob("*.parquet")), "poses")
