"""Families of language models and encoders, one a file: configuration, weights, forward."""
