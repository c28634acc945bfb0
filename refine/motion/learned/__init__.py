"""A network that has seen people move, above the paths of `refine.motion.arrays`."""
