"""Thousands of checkouts over HTTP while everything that can fail does, on servers of its own."""
