#!/usr/bin/env bash
# Somebody dumped heatmaps of HRNet, decodes them, and looks at figures before and after.
. "$(dirname "$0")/common.sh"
make mmpose

expect 0 refine presets
says out 'hrnet'
expect 3 refine decode heatmaps.npz --preset hrnett -o x.json
says err 'hrnet'

expect 0 refine decode heatmaps.npz --preset hrnet -o hrnet.json
expect 0 refine decode heatmaps.npz --preset refine -o ours.json
expect 0 refine decode heatmaps.npz --preset refine --refine -o reread.json
expect 0 refine run ours.json --sizes truth.json -o better.json
expect 0 refine eval --gt truth.json hrnet.json ours.json better.json --json
check 'list(load("out")) == ["hrnet.json", "ours.json", "better.json"]'
check 'all(0.5 < report["metrics"]["AP"] <= 1 for report in load("out").values())'
check 'load("out")["better.json"]["metrics"]["AP"] > load("out")["hrnet.json"]["metrics"]["AP"] - 0.02'

# One array without geometry is told what it lacks.
python -c "import numpy as np; np.save('bare.npy', np.load('heatmaps.npz')['heatmaps'])"
expect 3 refine decode bare.npy --preset hrnet -o x.json
says err 'affine|box'
test ! -e x.json
