"""Server-rendered pages over the store's reports."""
