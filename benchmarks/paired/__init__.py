"""Paired runs of whole pulls: towline and its peers, alternating, on the same images."""
