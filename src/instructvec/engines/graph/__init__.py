"""Builds ONNX graphs from a checkpoint's numbers: protobuf, symbolic tensors, encoders, the whole model."""
