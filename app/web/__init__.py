"""What every HTTP face shares: server protocol, exchange, auth, headers, error envelopes."""
