"""The registry that is pulled from, and the link that shapes the way to it."""
