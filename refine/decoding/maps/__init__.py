"""What the families do to maps: peaks, sub-cell fits, blurs, resampling, mirroring, fusing."""
