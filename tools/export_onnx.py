"""``python tools/export_onnx.py --cfg_path C [--model_path M] [--out_path O.onnx] [--input_shape H,W]``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.original.export_script import main

if __name__ == "__main__":
    sys.exit(main("onnx"))
