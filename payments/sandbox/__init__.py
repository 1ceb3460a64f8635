"""A gateway and a carrier to develop and test against: a process of their own, with a journal of their own.

Nothing here knows Paydesk: it speaks HTTP and remembers what it did, so that a crash of Paydesk cannot take its
memory along. The journal is the oracle of the crash tests.
"""
