"""Configuration: text becomes frozen values here, and only `towline.config.load` reads files."""

from __future__ import annotations
