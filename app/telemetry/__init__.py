"""Logs, metrics and traces, never on the request's path."""
