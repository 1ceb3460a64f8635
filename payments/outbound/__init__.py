"""Calls to addresses that somebody else has chosen: which may be called, how, and how a message is signed."""
