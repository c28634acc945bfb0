"""One page that shows how good poses are, what changed, and the cases to look at."""
