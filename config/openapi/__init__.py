"""The OpenAPI document: what is true of every operation is told here once, and nowhere by hand."""
