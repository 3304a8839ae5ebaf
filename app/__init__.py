"""Tollkeeper: an OpenAI-compatible gateway to Claude that prices every reply to the nano-dollar."""
