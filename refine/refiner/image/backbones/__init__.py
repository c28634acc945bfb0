"""What looks at the crop; a network is a file."""
