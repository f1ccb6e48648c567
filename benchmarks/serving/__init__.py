"""The registry that images are pulled from, and the shaped link to it."""
