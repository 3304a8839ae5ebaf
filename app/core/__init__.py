"""The rules: pure functions on frozen values, no I/O, no framework, no vendor."""
