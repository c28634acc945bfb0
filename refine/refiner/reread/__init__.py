"""Maps read again with what the refiner makes of the poses."""
