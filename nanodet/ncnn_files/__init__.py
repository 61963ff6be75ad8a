"""ncnn models as data: read, checked, changed, written, without running them."""
