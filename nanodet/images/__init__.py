"""Image files: pixels, headers, and writing."""
