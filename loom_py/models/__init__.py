"""Families of language models, one a file: configuration, weights, forward."""
