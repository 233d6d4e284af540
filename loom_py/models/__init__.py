"""Checkpoints of known architectures: configuration, weight names, blocks."""
