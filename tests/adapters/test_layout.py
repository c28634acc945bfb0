"""Adapters are drop-ins for frameworks that they never import."""

import subprocess
import sys

FRAMEWORKS = (
    *("fiftyone", "mmpose", "rtmlib", "supervision", "torchvision", "transformers", "ultralytics"),
    *("cvat_sdk",),
)
ADAPTERS = ("hrnet", "pycocotools", *(name.removesuffix("_sdk") for name in FRAMEWORKS))


def test_no_adapter_imports_its_framework():
    names = ", ".join(ADAPTERS)
    code = (
        f"import sys\nfrom refine.adapters import {names}\n"
        f"print(*(set(sys.modules) & set({FRAMEWORKS!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
