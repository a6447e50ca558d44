"""mcugen: neural networks (ONNX, TFLite) to exact int8 C for Cortex-M."""

__version__ = "0.1.0"
