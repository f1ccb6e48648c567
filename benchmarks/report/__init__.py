"""The results of a run as JSON, and the page and charts that are generated from it."""
