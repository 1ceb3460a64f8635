"""What people do about a saga: what is possible now, asking for it, and the second person's word.

Every action raises the saga's epoch by a guarded update. That fences the worker that still holds the saga, and of two
people who saw the same saga, one acts.
"""
