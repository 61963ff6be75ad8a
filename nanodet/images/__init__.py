"""Image files: pixels, what their headers say, and writing."""
