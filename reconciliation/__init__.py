"""Audits payments: gateways' reports against the ledger, and the discrepancies between them."""
