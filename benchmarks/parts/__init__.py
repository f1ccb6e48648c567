"""The parts alone; ``pytest benchmarks/parts --benchmark-enable`` prints them."""
