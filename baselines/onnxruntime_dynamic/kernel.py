"""The name by which a session of ONNX Runtime says that it ran; free of the runtime itself."""

KERNEL = "onnxruntime/DynamicQuantizeMatMul"
"""The operator into which the runtime fuses the graph of a layer."""
