"""Spark: poses of a Parquet data set, refined where they lie; the images are kept whole.

frame.groupBy(part).applyInArrow(better, frame.schema)
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet
from pyspark.sql import SparkSession, functions

import refine
from refine.corpus import refine_table
from refine.sample import make_people, make_predictions

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
with TemporaryDirectory() as folder:
    source, target = f"{folder}/poses.parquet", f"{folder}/better"
    rng = np.random.default_rng(0)
    refine.write(make_predictions(make_people(40, rng)[0], rng), source)
    schema = pyarrow.parquet.read_schema(source)  # Spark drops what it tells of the skeleton

    def better(table: Any) -> Any:
        return refine_table(table.drop_columns(["part"]), schema=schema).select(names)

    spark = SparkSession.builder.master("local[2]").getOrCreate()
    frame = spark.read.parquet(source)
    names = frame.columns
    part = functions.abs(functions.hash("image_id")) % 8
    parts = frame.withColumn("part", part).groupBy("part")
    parts.applyInArrow(better, frame.schema).write.parquet(target)
    print(frame.count(), "->", spark.read.parquet(target).count(), "rows")
    print(sum(len(refine.read(path)) for path in Path(target).glob("*.parquet")), "poses")
    spark.stop()
