"""Speaks to Anthropic and OpenRouter: wire, retries, fallback."""
