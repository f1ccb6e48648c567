"""Benchmarks of single parts: ``pytest benchmarks/parts --benchmark-enable``."""
