"""The network that JavaScript sees: the reflected face over a grid, built from JSON, saved and loaded."""
