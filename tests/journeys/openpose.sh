#!/usr/bin/env bash
# Somebody has a folder that OpenPose wrote, and wants better poses and other formats.
. "$(dirname "$0")/common.sh"
make openpose

expect 0 refine run json -o better
says err 'read as openpose, openpose25'
says err 'joints filled'
check 'sorted(p.name for p in Path("better").iterdir()) == sorted(p.name for p in Path("json").iterdir())'
check 'load("better/frame13_keypoints.json")["people"] == []'

expect 0 refine convert better -o better.json --to coco --to-skeleton coco17
says err 'coco17'
check 'all(len(row["keypoints"]) == 51 and 0 <= row["score"] <= 1 for row in load("better.json"))'

# Frames come in their order, not in that of the alphabet: 1, 2, ... 10, and the empty one is there.
expect 0 refine convert json -o all.ndjson
check '[ref.id for ref in refine.read("all.ndjson").images] == [f"frame{i}" for i in range(1, 14)]'
expect 0 refine convert all.ndjson -o again --to openpose
check 'load("again/frame2_keypoints.json")["people"][0]["pose_keypoints_2d"] == load("json/frame2_keypoints.json")["people"][0]["pose_keypoints_2d"]'

# A second pass is refused, and an existing folder is not touched.
expect 3 refine run better -o twice
says err 'again'
expect 3 refine run json -o better
says err 'try another -o'
expect 3 refine run nothing -o x
says err 'nothing'
