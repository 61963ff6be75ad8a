"""A stand-in for adb and for the device behind it, which is this machine's own shell.

No Android device can be had where the tests run: what they show of adb is what we say to it and
make of its answers, not what a device does.
"""

import subprocess

READY = "List of devices attached\nserial\tdevice\n\n"


class ScriptedAdb:
    """A command runner, see `nanodet.bench.target.device.Device`.

    Args:
        listed: what ``adb devices`` prints.
        answers: verb (``devices``, ``shell``, ``push``) to a shell command in place of what it would do.

    Attributes:
        said: the words of all calls.
        processes: those that were started.
    """

    def __init__(self, listed=READY, **answers):
        self._listed, self._answers = listed, answers
        self.said, self.processes = [], []

    def __call__(self, words, **streams):
        self.said.append(words)
        process = subprocess.Popen(self._stand_in(words), **streams)
        self.processes.append(process)
        return process

    def _stand_in(self, words):
        if words == ["adb", "devices"]:
            return ["sh", "-c", self._answers.get("devices", f"printf %s '{self._listed}'")]
        assert words[:3] == ["adb", "-s", "serial"]
        verb, *rest = words[3:]
        if verb in self._answers:
            return ["sh", "-c", self._answers[verb]]
        if verb == "push":
            return ["cp", *rest]
        assert verb == "shell" and len(rest) == 1
        return ["sh", "-c", *rest]
