"""Calls the C++ library from Python, through the program in deploy/cpp/tests/probe.cpp."""

import json
import os
import subprocess

import numpy as np


class ProbeError(Exception):
    """What the library threw as nanodet::Error."""


class Probe:
    """A running probe; a context manager.

    Args:
        command: words that start it.
    """

    def __init__(self, command):
        # the sanitizers end the process with a report on stderr, which pytest shows
        environment = os.environ | {
            "ASAN_OPTIONS": "detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0, "the probe did not end well: see its stderr"

    def ask(self, do, data=b"", **request):
        """Return (head, bytes) of the answer.

        Raises:
            ProbeError: the library threw.
        """
        head = json.dumps({"do": do, "bytes": len(data), **request})
        self._process.stdin.write(head.encode() + b"\n" + data)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the probe died while it answered {head[:300]}"
        head = json.loads(line)
        data = self._process.stdout.read(head.pop("bytes"))
        if "error" in head:
            raise ProbeError(head["error"])
        return head, data

    def preprocess(self, picture, spec, fit, size, pixel_format="bgr", stride=None, data=None):
        """Return the placement and the tensor float32 (3, H, W)."""
        height, width = picture.shape[:2]
        pixels = np.ascontiguousarray(picture)
        head, data = self.ask(
            "preprocess", pixels.tobytes() if data is None else data, spec=text_of(spec), fit=fit,
            size=list(size), width=width, height=height,
            stride=pixels.nbytes // height if stride is None else stride, format=pixel_format,
        )  # fmt: skip
        columns, rows = head["placement"]["canvas"]
        return head["placement"], np.frombuffer(data, np.float32).reshape(3, rows, columns)

    def decode(self, output, spec, size, picture_size=None, channels=None, gap=0):
        """Return rows of xyxy, confidence, class, edge_std, and the allocations of a second run.

        The channels of maps lie ``gap`` floats apart.
        """
        more = {} if picture_size is None else {"picture": list(picture_size)}
        more |= {} if channels is None else {"channels": channels}
        arrays = [output] if isinstance(output, np.ndarray) else output
        arrays = [np.ascontiguousarray(one, np.float32) for one in arrays]
        if spec.layout == "maps":
            planes = [one.reshape(len(one), -1) for one in arrays]
            more["maps"] = [[*one.shape, one[0].size + gap] for one in arrays]
            arrays = [np.pad(one, ((0, 0), (0, gap)), constant_values=np.nan) for one in planes]
        head, data = self.ask(
            "decode", b"".join(one.tobytes() for one in arrays),
            spec=text_of(spec), size=list(size), **more,
        )  # fmt: skip
        return np.frombuffer(data, np.float32).reshape(-1, 10), head["allocations"]


def text_of(spec):
    """Return the JSON text of a `nanodet.runtime.spec.Spec`."""
    return json.dumps(spec.to_dict())
