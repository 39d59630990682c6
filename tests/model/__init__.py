"""A second, slow way to the same findings, to hold the engine against."""
