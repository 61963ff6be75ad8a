"""Two models' outputs side by side: for export, verify and quantize."""
