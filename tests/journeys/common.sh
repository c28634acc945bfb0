# What the journeys share. Each runs in an empty folder, with `refine` and `python` on the path.
set -euo pipefail
journeys=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

make() { python "$journeys/make.py" "$1"; }

# expect CODE COMMAND...: the command must end so; what it says is in the files out and err.
expect() {
  local wanted=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  if ! [[ $code =~ ^($wanted)$ ]] || grep -q Traceback err; then
    echo "exit $code, not $wanted: $*" >&2
    cat out err >&2
    exit 1
  fi
}

# says FILE PATTERN: the file has a line that fits the extended regular expression.
says() {
  grep -Eq -e "$2" "$1" && return
  echo "expected /$2/ in $1:" >&2
  head -c 2000 "$1" >&2
  exit 1
}

# check PYTHON: an expression about files, with json, np, refine and `load` at hand.
check() {
  python -c "
import json, sys
from pathlib import Path
import numpy as np
import refine
load = lambda name: json.loads(Path(name).read_text())
assert $1, sys.argv[1]" "$1"
}
