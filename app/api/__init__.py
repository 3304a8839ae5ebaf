"""The HTTP face: client API, admin API, health, and the one place where errors become answers."""
