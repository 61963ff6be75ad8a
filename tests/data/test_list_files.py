"""Lists of the images to use."""

import pytest
from coco_files import coco
from refusals import fails

from nanodet.data.read import read_annotations


@pytest.mark.parametrize("text", ["b", "b.jpg\n", "some/where/b.jpg", "\n b -1 \n", "b 1\nb 1"])
def test_list_names(tmp_path, images, text):
    (tmp_path / "list.txt").write_text(text)
    data = read_annotations("coco", images, coco(tmp_path), tmp_path / "list.txt")
    assert [p.path.name for p in data.pictures] == ["b.jpg"]


def test_list_errors(tmp_path, images):
    for text, words in (("a\nc\n", ["line 2", "'c'"]), ("", ["no image"])):
        (tmp_path / "list.txt").write_text(text)
        ann = coco(tmp_path)
        fails("list.txt", *words, name="coco", img=images, ann=ann, list_path=tmp_path / "list.txt")
    fails("gone", name="coco", img=images, ann=ann, list_path=tmp_path / "gone.txt")


def test_list_tells_folders_apart(tmp_path, images):
    entries = [{"id": n, "file_name": f"{n}/a.jpg", "width": 40, "height": 30} for n in (1, 2)]
    for n in "12":
        (images / n).mkdir()
        (images / n / "a.jpg").write_bytes((images / "a.jpg").read_bytes())
    ann = coco(tmp_path, images=entries, annotations=[])
    (tmp_path / "list.txt").write_text("2/a.jpg")
    data = read_annotations("coco", images, ann, tmp_path / "list.txt")
    assert [p.image_id for p in data.pictures] == [2]
    (tmp_path / "list.txt").write_text("a.jpg")
    fails("may be", name="coco", img=images, ann=ann, list_path=tmp_path / "list.txt")
