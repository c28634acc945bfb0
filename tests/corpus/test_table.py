"""Arrow tables: what becomes of one is what becomes of its poses, whoever hands it out."""

import numpy as np
import pytest

import refine
from refine.corpus.table import refine_table
from refine.exceptions import FormatError, RefineError
from refine.formats.parquet import from_arrow, to_arrow
from tests.oracles.corpora import alike

pyarrow = pytest.importorskip("pyarrow")


def test_a_table_becomes_what_its_poses_do(predictions, refined):
    table = to_arrow(predictions)
    got = refine_table(table)
    assert got.schema.names == table.schema.names
    assert got.schema.types == table.schema.types
    back = from_arrow(got)
    alike(back, from_arrow(to_arrow(refined)))
    assert [s.name for s in back.history] == [s.name for s in refined.history]


def test_tables_of_whole_images_make_the_whole(predictions, refined):
    parts = [predictions[np.isin(predictions.image, of)] for of in np.array_split(np.arange(60), 7)]
    tables = [to_arrow(part).filter(to_arrow(part)["pose"].is_valid()) for part in parts]
    done = [refine_table(table) for table in tables]
    assert len({table.schema.metadata[b"refine"] for table in done}) == 1
    whole = to_arrow(refined)
    whole = whole.filter(whole["pose"].is_valid())
    assert repr(pyarrow.concat_tables(done).to_pylist()) == repr(whole.to_pylist())


def test_options_are_those_of_run(predictions):
    got = from_arrow(refine_table(to_arrow(predictions), steps=["suppress"], nms_threshold=0.5))
    expected = refine.run(predictions, steps=["suppress"], nms_threshold=0.5)
    assert got.xy.tobytes() == expected.xy.tobytes()
    with pytest.raises(RefineError, match="expected options out of"):
        refine_table(to_arrow(predictions), thresh=1)


def test_given_types_stay_and_batches_are_tables(predictions):
    table = to_arrow(predictions)
    plain = [
        pyarrow.field("image_id", pyarrow.int32()),
        pyarrow.field("file_name", pyarrow.string()),
        pyarrow.field("keypoints", pyarrow.list_(pyarrow.float64())),
    ]
    given = table.select([f.name for f in plain]).cast(pyarrow.schema(plain))
    batch = given.combine_chunks().to_batches()[0]
    got = refine_table(batch, schema=table.schema)
    assert [got.schema.field(f.name).type for f in plain] == [f.type for f in plain]
    assert set(got.schema.names) == set(table.schema.names)


def test_metadata_that_an_engine_dropped_are_told_by_a_schema(predictions):
    table = to_arrow(predictions.to("lsp14"))
    bare = table.replace_schema_metadata(None)
    got = from_arrow(refine_table(bare, schema=table.schema, steps=["suppress"]))
    assert got.skeleton.name == "lsp14"
    assert got.score_kind == predictions.score_kind


def test_no_rows_make_no_rows(predictions):
    table = to_arrow(predictions)
    got = refine_table(table[:0])
    assert got.num_rows == 0
    assert got.schema.types == table.schema.types


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.append_column("camera", t["pose"]), "format, got 'camera'"),
        (lambda t: t.drop_columns(["keypoints"]), "a column 'keypoints'"),
        (lambda t: t.to_pydict(), "a pyarrow.Table, got dict"),
    ],
)
def test_other_tables_are_refused(predictions, change, message):
    with pytest.raises(FormatError, match=message):
        refine_table(change(to_arrow(predictions)))


def test_what_depends_on_the_cut_is_refused(predictions):
    table = to_arrow(predictions)
    with pytest.raises(RefineError, match="look at one picture, got smooth"):
        refine_table(table, steps=["smooth"])
    with pytest.raises(RefineError, match="expected a profile of the source"):
        refine_table(table, pictures="pictures")
    with pytest.raises(RefineError, match="expected poses not refined yet"):
        refine_table(refine_table(table))
