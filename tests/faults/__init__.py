"""Faults put into real processes, and the evidence of what became of them."""
