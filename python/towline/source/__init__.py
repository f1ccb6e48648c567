"""Image sources: one module for each transport that images can be read from."""
