"""Copies one image from a source into a store, through their protocols."""

from __future__ import annotations
