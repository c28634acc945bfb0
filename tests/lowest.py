"""Print the oldest releases that pyproject.toml allows, as pip's constraints.

    python tests/lowest.py [EXTRA...] [NAME=VERSION...]

NAME=VERSION stands in for a release that cannot be had, as of torch where there is no CPU build.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
wanted = [*project["dependencies"]]
instead = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
for extra in (a for a in sys.argv[1:] if "=" not in a):
    wanted += project["optional-dependencies"][extra]
for row in dict.fromkeys(wanted):
    name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", row).groups()
    print(f"{name}=={instead.get(name, lowest)}")
