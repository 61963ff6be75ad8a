"""ONNX files as data: read, asked for shapes, rewritten. Needs the package onnx."""
