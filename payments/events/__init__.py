"""Telling clients: what happened becomes a row, a row becomes messages, and a message is sent until it got through."""
