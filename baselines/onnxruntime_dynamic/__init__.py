"""ONNX Runtime's dynamically quantized linear layers."""
