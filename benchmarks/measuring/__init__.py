"""Measure one run of a command, or runs of several commands in turn."""
