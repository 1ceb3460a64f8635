"""Takes card data and secrets out of whatever is about to be logged or stored; knows nothing of Django.

A card number is a run of 13 to 19 digits in an issuer's range whose check digit is right (ISO/IEC 7812-1), whatever
separates or surrounds its digits. Its last four digits stay, as PCI DSS 3.4.1 allows. Time is linear in the input.
"""

from payments.redaction.walk import redact

__all__ = ["redact"]
