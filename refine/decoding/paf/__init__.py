"""Part affinity fields: OpenPose and its kin."""
