"""Makes `docs/reliability.md` from a real run of the fault tests."""
