"""The embedded store: an OCI layout, and records of its images in a subfolder."""

from __future__ import annotations
