"""Crops out of images, as networks that see one person at a time take them."""

from refine.crops.arrays import crop, crop_image

__all__ = ["crop", "crop_image"]
