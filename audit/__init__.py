"""The check across the three services: `make audit`. Reads their books by their own commands, writes nothing."""
