"""The description of every route."""
