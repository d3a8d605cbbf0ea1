"""Checking the payment service's books: the ledger against itself, its events, and the books of the simulated bank."""
