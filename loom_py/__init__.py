"""LOOM: neural networks that live in a web page."""

__version__ = "0.1.0"
