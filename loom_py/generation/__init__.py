"""Text from decoders, vectors from encoders: loading, placing, caches, sampling, sessions, pooling."""
