#!/usr/bin/env bash
# Somebody has the pictures, too; then the wrong folder, half of them, and one that is broken.
. "$(dirname "$0")/common.sh"
make pictures

expect 0 refine run predictions.json --images all --sizes truth.json -o seen.json
says err '[1-9][0-9]* poses looked at'
says err '0 without a picture'
expect 0 refine run predictions.json --images half --sizes truth.json -o half.json
says err '[1-9][0-9]* without a picture'
check 'len(load("seen.json")) > 0 and all(len(row["keypoints"]) == 51 for row in load("half.json"))'

# None of the pictures is an error that says what was looked for and what is there.
expect 3 refine run predictions.json --images none --sizes truth.json -o x.json
says err 'holiday|beach'
expect 3 refine run predictions.json --images nowhere -o x.json
says err 'nowhere'
test ! -e x.json

# The old spelling of --sizes still works and says so.
expect 0 refine run predictions.json --images truth.json -o old.json
says err 'sizes'

# One broken picture does not end the run.
cp -r all broken
picture=$(ls broken | head -1)
head -c 100 "all/$picture" >"broken/$picture"
expect "0|4" refine run predictions.json --images broken --sizes truth.json -o broken.json
says err "$picture"

# What became of the poses is looked at: what changed most on a sheet, then every picture.
expect 0 refine draw predictions.json seen.json --images all --gt truth.json -o changed.png
says err 'drawn to changed.png'
check 'Path("changed.png").read_bytes().startswith(b"\x89PNG")'
expect 4 refine draw predictions.json seen.json --images broken -o drawn
says err "$picture"
check 'len(list(Path("drawn").iterdir())) == len({row["image_id"] for row in load("seen.json")})'
expect 3 refine draw predictions.json --images none -o x.png
says err 'holiday|beach'
test ! -e x.png
