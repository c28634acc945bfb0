"""The refiner that also looks at the picture."""
