"""`make demo`: drives the promises of Paydesk over HTTP, on a stack of its own, and says which were kept."""
