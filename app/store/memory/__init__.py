"""What is remembered of conversations between calls: in the process, or in Redis."""
