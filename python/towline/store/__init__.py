"""Keeping images: the protocol, and the embedded store."""
