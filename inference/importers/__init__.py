"""Other model formats to ONNX."""
