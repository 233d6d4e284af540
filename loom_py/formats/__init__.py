"""File formats, one a file: safetensors and GGUF with their block quantisations, and programs as text."""
