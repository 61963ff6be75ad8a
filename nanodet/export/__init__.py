"""From a checkpoint to ONNX and ncnn, and the proof that nothing changed."""
