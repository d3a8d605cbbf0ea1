"""The ledger compared with a gateway's settlement file: read, matched, added up, reported. Only reads."""
