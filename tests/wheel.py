"""Say what an installed wheel holds; run where the checkout is not on the path."""

from importlib import resources
from pathlib import Path

import refine
from refine.decoding.presets import load_presets
from refine.errors.statistics import read_statistics, statistics_names

folder = Path(refine.__file__).parent
assert "site-packages" in folder.parts, f"the checkout at {folder} was imported"
for name in ("py.typed", "__init__.pyi", "weights/coco17.md", "skeletons/coco17.toml"):
    assert (resources.files("refine") / name).is_file(), name
for name in statistics_names():
    read_statistics(name)
assert len(statistics_names()) > 8
for name in ("coco17", "image"):
    kind = refine.Refiner if name == "coco17" else refine.ImageRefiner
    kind.load(name)
size = sum(f.stat().st_size for f in folder.rglob("*") if "__pycache__" not in f.parts) / 1e6
print(f"{folder}: {size:.1f} MB, {len(load_presets())} presets, statistics", *statistics_names())
