"""Fixtures of the fault tests; those of the stack come from the folder above, `evidence` with them."""
