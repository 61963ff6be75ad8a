"""Uses each engine in a process and in those that it starts; prints a line of JSON for each try.

Arguments: ``forks`` or ``pools``, a folder for a video, then ``ENGINE=FILE`` for each model.
"""

import concurrent.futures
import json
import multiprocessing
import os
import sys
import threading
from pathlib import Path

import cv2
import numpy as np

from nanodet.detect.sources import open_source
from nanodet.errors import NanodetError
from nanodet.runtime.detector import Detector

LIMIT_S = 20  # for what takes a second at most
PICTURE = np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)


def detect(detector):
    return detector(PICTURE).confidence.tolist()


def load(engine, path):
    named = engine if engine in ("onnxruntime", "openvino") else None
    return Detector(path, engine=named, score=0.05)


def load_and_detect(engine, path):
    return detect(load(engine, path))


class Detected:
    """Detections, found where a sample is asked for."""

    def __init__(self, detector):
        self.detector = detector

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return detect(self.detector)


def in_fork(name, call, wanted, end=os._exit):
    """Do ``call`` in a fork of this process, which ends by ``end``."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = call()
        except NanodetError as error:
            told = str(error)
        os.write(writer, json.dumps(told).encode())
        end(7)
    os.close(writer)
    timer = threading.Timer(LIMIT_S, os.kill, (child, 9))
    timer.start()
    with open(reader) as lines:
        text = lines.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    timer.cancel()
    tell(name, text and json.loads(text), wanted, status == 7)


def tell(name, found, wanted, ended=True):
    # another number of threads adds up in another order
    same = np.allclose(found, wanted, atol=1e-4) if isinstance(found, list) else found == wanted
    print(json.dumps({"name": name, "fine": same and ended, "found": "same" if same else found}))


def try_pools(name, path):
    """As users start processes: two kinds of pool, DataLoader, and a spawned process."""
    from torch.utils.data import DataLoader

    detector = load(name, path)
    wanted = detect(detector)
    KEPT[:] = [detector]
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        tell(f"{name} Pool", pool.apply_async(detect_kept).get(LIMIT_S), wanted)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        tell(f"{name} executor", pool.submit(detect_kept).result(LIMIT_S), wanted)
    loader = DataLoader(Detected(detector), batch_size=None, num_workers=1, timeout=LIMIT_S,
                        multiprocessing_context=context)  # fmt: skip
    tell(f"{name} DataLoader", list(loader), [wanted] * 2)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        tell(f"{name} spawn", pool.submit(detect, detector).result(3 * LIMIT_S), wanted)


KEPT = []


def detect_kept():
    return detect(KEPT[0])


def try_engine(engine, path):
    detector = load(engine, path)
    wanted = detect(detector)
    if engine == "openvino":
        refused = (
            f"{path}: OpenVINO cannot run in a forked process: start processes with multiprocessing."
            'get_context("spawn") (DataLoader: multiprocessing_context="spawn")'
        )
        in_fork(f"{engine} made before", lambda: detect(detector), refused)
        in_fork(f"{engine} made there", lambda: load_and_detect(engine, path), refused)
        in_fork(f"{engine} unused", lambda: None, None, sys.exit)
        return
    in_fork(f"{engine} made before", lambda: detect(detector), wanted)
    in_fork(f"{engine} made there", lambda: load_and_detect(engine, path), wanted)
    given_up = [detector]
    in_fork(f"{engine} given up", given_up.clear, None, sys.exit)
    over = threading.Event()
    busy = threading.Thread(target=lambda: [detect(detector) for _ in iter(over.is_set, True)])
    busy.start()
    for turn in range(2):
        in_fork(f"{engine} while another thread detects {turn}", lambda: detect(detector), wanted)
    over.set()
    busy.join()
    tell(f"{engine} in the parent", detect(detector), wanted)


def try_video(folder):
    path = f"{folder}/video.avi"
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for grey in range(40):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    source = open_source(path)
    frames = iter(source)
    next(frames)
    refused = (
        f"{path}: was opened earlier, and cannot be read in a forked process: start processes with "
        'multiprocessing.get_context("spawn") (DataLoader: multiprocessing_context="spawn")'
    )
    in_fork("video", lambda: len(list(frames)), refused)
    in_fork("video closed", source.close, None, sys.exit)
    in_fork("video opened there", lambda: len(list(open_source(path))), 40)


if __name__ == "__main__":
    way, folder, *models = sys.argv[1:]
    models = [text.split("=", 1) for text in models]
    cv2.warpAffine(np.zeros((1000, 1000, 3), np.uint8), np.eye(2, 3), (1000, 1000))
    if way == "pools":
        import torch

        torch.set_num_threads(2)
        torch.ones(1 << 20).mul(2).sum()  # starts torch's threads
    else:
        try_video(Path(folder))
    for model in models:
        (try_pools if way == "pools" else try_engine)(*model)
