"""What eyes see, what the pose says, and whose error it is: one posterior for every joint."""
