"""The simulator's OpenRouter: the same models and answers by another vendor's names and manners."""
