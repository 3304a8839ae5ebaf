"""What was spent: one query feeds figures, charts, tables, CSV and the admin API alike."""
