"""GGUF files (llama.cpp): header, configuration, and tensors de-quantised."""
