"""PoseFix: look at the picture again. Torch is imported when a network is loaded."""
