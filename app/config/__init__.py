"""Reads config.yaml, the price books and the routing weights into core values."""
