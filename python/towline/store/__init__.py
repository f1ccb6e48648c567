"""Stores of images: the protocol, and the embedded store."""
