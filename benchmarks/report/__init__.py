"""Results: the document that is kept, and the page and the charts that are drawn from it."""
