"""The check across the three services: `make audit`. Reads their exports by their own commands, writes nothing."""
