"""SimCC: a joint is two classifications, of its column and of its row."""
