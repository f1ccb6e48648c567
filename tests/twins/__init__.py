"""Tests that the Rust core and its Python twin give the same results."""
