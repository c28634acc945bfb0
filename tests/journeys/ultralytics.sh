#!/usr/bin/env bash
# Somebody validated YOLO with conf=0.001: hundreds of unsure poses around every person.
. "$(dirname "$0")/common.sh"
make ultralytics

expect 0 refine nms predictions.json -o kept.json --json
check 'load("out")["poses_in"] == len(load("predictions.json"))'
check 'load("out")["poses_out"] == len(load("kept.json")) < len(load("predictions.json"))'
check 'load("out")["poses_in"] - load("out")["removed"] == load("out")["poses_out"]'
expect 0 refine nms predictions.json -o sure.json --score-threshold 0.1 --max-poses 20
check 'all(row["score"] >= 0.1 and row["category_id"] == 1 for row in load("sure.json"))'

expect 0 refine run predictions.json -o better.json --nms-threshold 0.8
says err 'duplicates removed'
expect 0 refine eval --gt truth.json predictions.json kept.json better.json
says out 'better.json'
expect 0 refine eval --gt truth.json predictions.json better.json --json
check 'load("out")["better.json"]["metrics"]["AP"] > load("out")["predictions.json"]["metrics"]["AP"]'

# Scores are numbers between 0 and 1: what cannot be a threshold is refused.
expect 3 refine nms predictions.json -o x.json --threshold 7
expect 3 refine nms predictions.json -o x.json --score-threshold nan
test ! -e x.json
