"""What pyproject.toml cannot say: the configs of the checkout go into the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copies ``config/`` to ``nanodet/configs``: an installed package has no checkout beside it."""

    def run(self):
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib, "nanodet", "configs")
            self.mkpath(str(folder))
            for path in Path("config").glob("*.yml"):
                self.copy_file(str(path), str(folder))


setup(cmdclass={"build_py": BuildWithConfigs})
