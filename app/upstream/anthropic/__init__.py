"""Anthropic as an upstream: one attempt, over either of two transports."""
