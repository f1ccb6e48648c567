"""Helpers of the tests: real tools, a real registry, real images."""
