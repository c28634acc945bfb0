"""The refiner that looks at keypoints alone."""
