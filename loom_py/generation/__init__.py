"""Text from a decoder: loading, placing, caches, sampling, sessions."""
