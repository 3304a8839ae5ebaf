"""OpenAI Chat, OpenAI Responses and Anthropic Messages to and from core, streams too."""
