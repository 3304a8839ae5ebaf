"""OpenRouter as an upstream: Anthropic's messages by another vendor, who tells what it bills."""
