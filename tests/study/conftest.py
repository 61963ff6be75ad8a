"""Study files of the blood cells' config: nothing of them is trained, so no image is read."""

import pytest
import yaml


@pytest.fixture()
def study_file(root, tmp_path):
    """Write a study file with keys changed (None leaves one out); return its path."""

    def write(**keys):
        mapping = {
            "config": str(root / "config/nanodet-m_bccd.yml"),
            "save_dir": str(tmp_path / "out"),
            "set": {"schedule.total_epochs": 3},
            "seeds": [4, 5],
            "variants": {"plain": None, "no DFL": {"model.arch.head.loss.loss_dfl.loss_weight": 0}},
        } | keys
        path = tmp_path / "small.yml"
        given = {key: value for key, value in mapping.items() if value is not None}
        path.write_text(yaml.safe_dump(given, sort_keys=False))
        return path

    return write
