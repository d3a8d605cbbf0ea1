"""Payments of another system, from a CSV file into the ledger: read, understood, booked, reported (docs/adr/0008)."""
