"""The admin API: FastAPI routes under /admin."""
