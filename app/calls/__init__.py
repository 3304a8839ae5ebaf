"""A call's life: its attempts, until one succeeds or none is left."""
