"""The Rust core and its Python twin make the same judgements."""
