#!/usr/bin/env bash
# Somebody scores 14 joints against the official annotations of CrowdPose and of AIC.
. "$(dirname "$0")/common.sh"
make fourteen

for body in crowdpose14 aic14; do
  expect 0 refine eval --gt $body-truth.json $body-pred.json --json
  check "load('out')['$body-pred.json']['metrics']['AP'] > 0.1"
  expect 0 refine eval --gt $body-truth.json $body-pred.json --sigmas $body
  expect 0 refine diagnose --gt $body-truth.json $body-pred.json
  says out 'AP'
  expect 0 refine stats $body-pred.json --gt $body-truth.json -o $body.toml
  expect 0 refine calibrate $body-pred.json $body-truth.json -o $body-calibration.json
done

# CrowdPose's own figures, by how crowded an image is.
expect 0 refine eval --gt crowdpose14-truth.json crowdpose14-pred.json --json
check '{"AP(E)", "AP(M)", "AP(H)", "AR"} <= set(load("out")["crowdpose14-pred.json"]["metrics"])'
