"""A trial run of an ncnn model in a separate process, which may crash or run out of memory.

For graphs with layers that are not known here, which cannot be checked in advance.
"""

import json
import os
import subprocess
import sys

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.parameters import KINDS

TIME_LIMIT_S = 120
_MOST_MEMORY = 4 << 30  # bytes that a trial may use in addition to those of a process with ncnn
_REFUSED = 3  # exit status: ncnn reported an error


def try_out(
    path: str,
    graph: Graph,
    weights: str,
    size: tuple[int, int],
    names: tuple[str, ...],
    precision: str,
) -> None:
    """Load and run a model once in a child process.

    Args:
        path: the ``.param``, named in messages.
        graph: the checked `nanodet.ncnn_files.graph.Graph` to load.
        weights: the ``.bin``.
        size: (width, height) of the input.
        names: of the input and of the outputs.
        precision: as `nanodet.runtime.engines.ncnn.set_options` takes it.

    Raises:
        NanodetError: ncnn cannot load or run it, ended the process, or did not finish in time.
    """
    question = {
        "graph": graph.without_hints().to_text(), "weights": str(weights), "size": size,
        "names": names, "precision": precision,
    }  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        status = subprocess.run(
            [sys.executable, "-m", __name__], input=json.dumps(question).encode(), check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
            timeout=TIME_LIMIT_S,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        status = None
    except OSError as error:
        raise NanodetError(f"{path}: cannot be tried out ({error.strerror})") from None
    if status == 0:
        return
    how = {_REFUSED: "cannot run it", None: f"did not run it within {TIME_LIMIT_S} s"}.get(
        status, "ended the process that tried it out"
    )
    others = ", ".join(sorted({layer.kind for layer in graph.layers} - KINDS))
    raise NanodetError(f"{path}: ncnn {how} at {size[0]} x {size[1]} (not known here: {others})")


def _main():
    import ncnn
    import numpy as np

    from nanodet.runtime.engines.ncnn import own_mat, set_options

    _limit_memory()
    question = json.load(sys.stdin)
    net = ncnn.Net()
    set_options(net, 1, question["precision"])
    if net.load_param_mem(question["graph"]) or net.load_model(question["weights"]):
        sys.exit(_REFUSED)
    extractor = net.create_extractor()
    width, height = question["size"]
    given, *wanted = question["names"]
    extractor.input(given, own_mat(np.zeros((3, height, width), np.float32)))
    failed = any(extractor.extract(name)[0] for name in wanted)
    sys.stdout.flush()
    os._exit(_REFUSED if failed else 0)


def _limit_memory():
    """Limit the additional memory of this process, if the system reports what it uses."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + _MOST_MEMORY
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _main()
