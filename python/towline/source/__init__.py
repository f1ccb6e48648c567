"""Reading images: one room for each transport that can be a source."""
