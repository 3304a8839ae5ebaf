"""The client API: plain ASGI routes under /v1."""
