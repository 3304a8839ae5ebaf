"""Figures as text, cells, tables and small charts: pure."""
