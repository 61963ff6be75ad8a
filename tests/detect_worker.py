"""A process that detects with models of strangers, and may crash: tests see it end."""

import json
import resource
import select
import subprocess
import sys

TIME_LIMIT_S = 120


class Worker:
    """Detects in a process of its own, a new one after each crash."""

    def __init__(self):
        self.process = None

    def detect(self, model, picture, engine=None):
        """Load a model and find the boxes of an image file.

        Returns:
            ``{"detections": [...]}`` as in JSON lines, ``{"error": LINE}`` of a `NanodetError`, or
            ``{"crash": ...}``.
        """
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        print(json.dumps([str(model), str(picture), engine]), file=self.process.stdin, flush=True)
        if select.select([self.process.stdout], [], [], TIME_LIMIT_S)[0]:
            answer = self.process.stdout.readline()
            return json.loads(answer) if answer else {"crash": f"status {self.process.wait()}"}
        self.process.kill()
        return {"crash": f"not done in {TIME_LIMIT_S} s"}

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


def _main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import cv2

    from nanodet import Detector, NanodetError

    answers = open(sys.stdout.fileno(), "w", closefd=False)
    for line in sys.stdin:
        model, source, engine = json.loads(line)
        picture = cv2.imread(source)
        try:
            found = Detector(model, threads=1, engine=engine)(picture)
            answer = found.to_json(source, picture.shape[1], picture.shape[0])
        except NanodetError as error:
            answer = json.dumps({"error": str(error)})
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    _main()
