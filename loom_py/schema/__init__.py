"""Reading JSON strictly and by path."""
