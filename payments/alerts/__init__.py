"""Calling a person: what to look for, whom to tell, and who knows of it already."""
