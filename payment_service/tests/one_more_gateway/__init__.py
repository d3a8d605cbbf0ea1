"""The payment service with one gateway more, which was added by docs/gateways.md alone."""
