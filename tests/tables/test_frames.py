"""Data frames of pandas and polars."""

import sys

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, RefineError
from tests.tables.conftest import assert_same, make


def test_pandas_frames_come_back(poses, library):
    library("pandas")
    assert_same(poses, refine.Poses.from_pandas(poses.to_pandas()))


def test_polars_frames_come_back(poses, library):
    library("polars")
    assert_same(poses, refine.Poses.from_polars(poses.to_polars()))


def test_polars_and_pandas_are_one(library):
    library("polars")
    frame = library("pandas").DataFrame(make().to_polars().to_dict(as_series=False))
    assert_same(make(), refine.Poses.from_pandas(frame))


def test_a_frame_is_worked_with_as_people_do(library):
    library("pandas")
    poses = make()
    frame = poses.to_pandas()
    assert frame["pose"].nunique() == len(poses)
    mean = frame.groupby("joint", observed=True)["score"].mean()
    np.testing.assert_allclose(mean, np.nanmean(poses.score, 0))
    assert list(mean.index) == list(poses.skeleton.joints)
    sure = refine.Poses.from_pandas(frame[frame["score"] > 0.5])
    assert (sure.score[np.isfinite(sure.score)] > 0.5).all()
    assert sure.skeleton == poses.skeleton


def test_a_frame_is_a_csv_of_ours(library, tmp_path):
    library("pandas")
    poses = make(body=refine.skeleton("coco17"))
    poses.to_pandas().to_csv(tmp_path / "a.csv", index=False)
    got = refine.read(tmp_path / "a.csv")
    in_order = poses[np.argsort(poses.image, kind="stable")]
    np.testing.assert_allclose(got.xy, in_order.xy)
    assert got.history == poses.history
    assert_same(got, refine.Poses.from_pandas(got.to_pandas()))


def test_polars_columns_have_one_kind(library):
    library("polars")
    with pytest.raises(ArrayError, match=r"one kind of 'image_id', got int and str.*to_pandas"):
        make(ids=(1, "2", 3, 4, 5)).to_polars()


@pytest.mark.parametrize("name", ["pandas", "polars", "xarray"])
def test_a_library_that_is_absent_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RefineError, match=rf"package {name}, .*refine-pose\[tables\]"):
        getattr(make(), f"to_{name}")()
