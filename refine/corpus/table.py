"""The main job on Arrow tables: what Spark, Dask and Ray call for each of their partitions."""

from typing import Any

from refine.corpus.work import uncounted
from refine.exceptions import FormatError
from refine.formats._parquet import KEY, load_pyarrow
from refine.formats.parquet import from_arrow, to_arrow
from refine.pipeline import Config, run
from refine.pipeline.runner import check_cut, merge

COLUMNS = (
    "image_id", "file_name", "width", "height", "frame", "image_extra", "pose", "category_id",
    "track_id", "pose_score", "area", "box", "keypoints", "extra",
)  # fmt: skip
"""Of the Parquet format, see `refine.formats.parquet`."""


def refine_table(
    table: Any, config: Config | None = None, *, schema: Any = None, **options: Any
) -> Any:
    """Refine the poses of an Arrow table in the schema of the Parquet format.

    The poses become what `refine.run` makes of them, to the bit. All rows of an image are in the
    table: what becomes of a pose depends on the others of its image, and a table cannot tell
    whether it has them all.

    Args:
        table: `pyarrow.Table` or `RecordBatch`, a row per pose.
        config: the default does everything.
        schema: `pyarrow.Schema` whose metadata tell skeleton, kind of scores and history where an
            engine has dropped those of the table, as Spark does.
        options: attributes of `Config`, which win over `config`.

    Returns:
        a `pyarrow.Table` with all columns of the format, image by image; those that were given
        have the type that they had. Its metadata tell what was done, without counts, so that tables
        of one job are alike.

    Raises:
        FormatError: no such table, or columns that the format does not have.
        SkeletonError: joints that no metadata name, and whose number fits no or several skeletons.
        RefineError: see `refine.run`; steps for videos; or pictures without a profile.

    >>> import refine
    >>> people = refine.Poses.from_arrays("coco17", [[[9.0, 9.0]] * 17] * 2, instance_score=[1, 1])
    >>> refine_table(to_arrow(people)).num_rows
    1
    """
    merged = merge(config, options)
    check_cut(merged)
    pyarrow = load_pyarrow("an Arrow table")
    if isinstance(table, pyarrow.RecordBatch):
        table = pyarrow.Table.from_batches([table])
    if not isinstance(table, pyarrow.Table):
        raise FormatError(f"expected a pyarrow.Table, got {type(table).__name__}")
    check_columns(table)
    if schema is not None and KEY not in (table.schema.metadata or {}):
        table = table.replace_schema_metadata(schema.metadata)
    poses = from_arrow(table)
    result = to_arrow(uncounted(run(poses, merged), len(poses.history)))
    return _as_given(pyarrow, result, table.schema)


def check_columns(table: Any) -> None:
    """Check that a table has no other columns than the Parquet format.

    Raises:
        FormatError: it has.
    """
    if strange := [name for name in table.column_names if name not in COLUMNS]:
        raise FormatError(
            f"expected the columns of the Parquet format, got {strange[0]!r}",
            hint=f"table.drop_columns([{strange[0]!r}]), or the JSON of it in 'extra'",
        )


def _as_given(pyarrow: Any, table: Any, given: Any) -> Any:
    """Give columns the types that they had."""
    fields = []
    for field in table.schema:
        i = given.get_field_index(field.name)
        kind = field.type if i < 0 or pyarrow.types.is_null(given.types[i]) else given.types[i]
        fields.append(pyarrow.field(field.name, kind))
    return table.cast(pyarrow.schema(fields, table.schema.metadata))
