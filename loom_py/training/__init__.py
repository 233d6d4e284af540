"""Training and evaluation: losses, optimisers, schedules, and the loop that runs them on NumPy or a device."""
