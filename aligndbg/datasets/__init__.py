"""Model inputs: generated tensors, array files, pictures through a preprocessing pipeline; class names."""
