"""Post-training int8 quantisation of ncnn models: read, measure, choose, write; no torch, no C++."""
