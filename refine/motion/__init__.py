"""Time: who is who from frame to frame, gaps, flips and jitter."""
