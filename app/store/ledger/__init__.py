"""The ledger's hot path: holds, the writer, and the one transaction that enters them."""
