"""A process that loads and runs ncnn models, and may crash: tests see it end."""

import json
import re
import resource
import subprocess
import sys

import numpy as np

from nanodet.files.files import sha256

MOST_MEMORY = 6 << 30  # bytes of addresses; far more than a checked model may need
TIME_LIMIT_S = 60


class Worker:
    """Runs models in a process of its own, a new one after each crash."""

    def __init__(self):
        self.process = None

    def run(self, param, size):
        """Load and run ``param`` at (width, height) as `NcnnBackend` does.

        Returns:
            ``ran``, the line of a `NanodetError`, or ``crashed ...``.
        """
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        print(json.dumps([str(param), *size]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if answer:
            return json.loads(answer)
        return f"crashed with {self.process.wait()}"

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def vouch(param):
    """Let the spec beside a model list the files as they are now, so that no hash differs."""
    beside = param.with_suffix(".json")
    mapping = json.loads(beside.read_text(encoding="utf-8"))
    files = (param, param.with_suffix(".bin"))
    mapping["files"] = {file.name: sha256(file) for file in files}
    beside.write_text(json.dumps(mapping), encoding="utf-8")


def mutated(text, rng):
    """Return a ``.param`` text with one to three faults; ``rng``: a `random.Random`."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(2, len(lines))
        words = lines[at].split()
        start = 4 + int(words[2]) + int(words[3]) if words[2:4] else 4
        values = range(min(start, len(words)), len(words))
        how = rng.choice((*["value"] * 12, "key", "blob", "kind", "count", "line", "twice"))
        if how == "value" and values:
            n = rng.choice(values)
            numbers = list(re.finditer(r"-?\d+(\.\d+)?", words[n].split("=", 1)[-1]))
            if numbers:
                key, _, value = words[n].partition("=")
                one = rng.choice(numbers)
                words[n] = f"{key}={value[: one.start()]}{_other(one[0], rng)}{value[one.end() :]}"
                if rng.random() < 0.7:
                    _fit_weights(words, values)
        elif how == "key" and values:
            n = rng.choice(values)
            words[n] = (
                f"{rng.choice((rng.randrange(0, 32), -23310, -23300, 19, 1, 8))}={words[n].partition('=')[2]}"
            )
        elif how == "blob" and start > 4:
            other = rng.choice(lines[2:]).split()
            words[rng.randrange(4, start)] = rng.choice([*other[4:], "new"])
        elif how == "kind":
            words[0] = rng.choice(lines[2:]).split()[0]
        elif how == "count":
            words[rng.choice((2, 3))] = str(rng.randrange(0, 5))
        lines[at] = " ".join(words)
        if how == "line":
            del lines[at]
        elif how == "twice":
            lines.insert(at, lines[at].replace(words[1], f"{words[1]}_", 1))
    lines[1] = f"{len(lines) - 2} {rng.choice((500, 500, 500, 20))}"
    return "\n".join(lines) + "\n"


def _fit_weights(words, values):
    """Let a convolution count the weights that its other parameters ask for, as far as known."""
    found = dict(words[n].split("=", 1) for n in values)
    try:
        kernel = int(found["1"]) * int(found.get("11", found["1"]))
        channels = 1 if words[0] == "ConvolutionDepthWise" else int(found["6"]) // int(found["0"])
        for n in values:
            if words[n].startswith("6=") and words[0] == "ConvolutionDepthWise":
                words[n] = f"6={int(found['0']) * channels * kernel}"
    except (KeyError, ValueError, ZeroDivisionError):
        pass


def _other(number, rng):
    value = float(number)
    choices = (
        0, 1, 2, 3, 5, 7, -1, -2, -233, -234, value + 1, value - 1, 2 * value, value // 2, 4 * value,
        -value, 100, 1000, 65535, 2**20, 2**31 - 1, -(2**31), 10**9,
    )  # fmt: skip
    new = rng.choice(choices)
    as_float = "." in number if rng.random() < 0.8 else rng.random() < 0.5
    return f"{float(new)}" if as_float else str(int(new))


def _main():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from nanodet.errors import NanodetError
    from nanodet.runtime.engines.ncnn import NcnnBackend

    rng = np.random.default_rng(0)
    for line in sys.stdin:
        param, width, height = json.loads(line)
        try:
            backend = NcnnBackend(param, threads=1)
            output = backend.run(rng.normal(0, 1, (1, 3, height, width)).astype(np.float32))
            backend.spec.check_output(output, (width, height), param)
            answer = "ran"
        except NanodetError as error:
            answer = str(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
