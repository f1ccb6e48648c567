"""The sections of the benchmarks; each adds its results to the document."""
