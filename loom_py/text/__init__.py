"""Text: tokenizers, chat templates, sampling, streaming generation."""
