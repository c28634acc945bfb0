"""Pictures: poses over images, and what the figures look like."""
