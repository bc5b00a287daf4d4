"""The same process for ONNX Runtime, in its own environment: a MatMul and an Add that it quantizes dynamically itself.

It imports nothing of ours: its environment holds onnxruntime and onnx alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def session_of(weight: np.ndarray, bias: np.ndarray, threads: int) -> onnxruntime.InferenceSession:
    """Return a session that multiplies by a weight [outputs, inputs], one int8 scale a channel."""
    outputs, inputs = weight.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Add", ["product", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(np.ascontiguousarray(weight.T), "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    with tempfile.TemporaryDirectory() as folder:
        plain, quantized = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, plain)
        quantize_dynamic(plain, quantized, per_channel=True, weight_type=QuantType.QInt8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(str(quantized), options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Answer requests until the input ends."""
    print(json.dumps({"onnxruntime": onnxruntime.__version__}), flush=True)
    session, x = None, np.zeros((0, 0), np.float32)
    for line in sys.stdin:
        request = json.loads(line)
        if "make" in request:
            rows, inputs, outputs = request["shape"]
            generator = np.random.default_rng(rows * inputs * outputs)
            sizes = ((rows, inputs), (outputs, inputs), (outputs,))
            x, weight, bias = (generator.standard_normal(size, dtype=np.float32) for size in sizes)
            session = session_of(weight, bias, int(sys.argv[1]))
            exact = x @ weight.T + bias
            found = session.run(None, {"x": x})[0]
            answer: object = {"ort": float(np.linalg.norm(found - exact) / np.linalg.norm(exact))}
        else:
            assert session is not None
            session.run(None, {"x": x})  # threads that slept wake up
            start = time.perf_counter()
            for _ in range(request["calls"]):
                session.run(None, {"x": x})
            answer = time.perf_counter() - start
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
