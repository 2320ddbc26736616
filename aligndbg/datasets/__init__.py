"""Model inputs and data sets: generated tensors, array files, lists of pictures and what makes tensors of them; class names."""
