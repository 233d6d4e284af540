"""The original's names: its simple functions (welvet) and its detector."""
