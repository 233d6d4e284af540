"""File formats: safetensors, GGUF, config.json, LOOM's JSON bundle."""
