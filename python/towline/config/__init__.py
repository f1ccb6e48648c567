"""Configuration files as frozen values.

The parsers take text.  Only `load` reads files and directories, and only `credential_helper` runs
programs.
"""

from __future__ import annotations
