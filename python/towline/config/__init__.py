"""Configuration: text becomes frozen values here, and only `towline.config.places` reads files."""

from __future__ import annotations
