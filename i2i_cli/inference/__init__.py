"""A trained model in use, by torch or by onnxruntime."""
