"""Copies one image from a source to a destination, through their protocols."""

from __future__ import annotations
