"""A simulated Anthropic Messages API: an app of its own, with its own facts and its own bill.

It shares nothing with the gateway on purpose: where the two disagree, one of them is wrong.
"""
