"""A stand-in for the package of rknn-toolkit2."""
