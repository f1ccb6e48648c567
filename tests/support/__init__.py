"""Test helpers: real tools, a real registry, real images, scripted servers."""
