"""GGUF files as models: converted once into a folder in Hugging Face's layout."""
