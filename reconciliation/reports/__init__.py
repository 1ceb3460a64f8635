"""Reads gateways' report files: bytes in, rows out that the file itself has proved. No database, no network."""
