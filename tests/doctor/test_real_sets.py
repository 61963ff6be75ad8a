"""What the doctor says of real sets, and of a copy of BCCD with every fault planted at once."""

import re
import shutil
import time
from xml.etree import ElementTree

import cv2
import pytest

from nanodet.config.load import load_config
from nanodet.doctor.doctor import diagnose
from nanodet.doctor.subject import Subject


def bccd(root, data):
    """Return the `Subject` of the config of BCCD, with the set in the folder ``data``."""
    text = (root / "config" / "nanodet-m_bccd.yml").read_text()
    config = data.parent / "bccd.yml"
    config.write_text(text.replace("data/bccd", str(data)))
    return Subject.of_config(load_config(config), str(config))


def codes(found, severity):
    return {(one.code, one.part, one.count) for one in found.findings if one.severity == severity}


@pytest.mark.slow
def test_bccd_has_two_degenerate_boxes_and_a_copy(root, shared, tmp_path):
    shutil.copytree(shared / "data" / "bccd", tmp_path / "bccd")
    found = diagnose(bccd(root, tmp_path / "bccd"))
    assert codes(found, "error") == set()
    assert codes(found, "warning") == {
        ("boxes-without-area", "data.train", 2), ("copies-in-both", "", 1),
    }  # fmt: skip


class Planted:
    """A copy of BCCD whose faults are planted one after the other, each into another image."""

    def __init__(self, folder, names):
        self.folder, self.names = folder, iter(names)
        self.expected = []

    def expect(self, code, *named):
        self.expected.append((code, named))

    def image(self):
        name = next(self.names)
        return name, self.folder / "JPEGImages" / f"{name}.jpg"

    def change(self, code, edit, named=True):
        """Change the annotation of the next image by ``edit(root, objects)``."""
        name, _ = self.image()
        path = self.folder / "Annotations" / f"{name}.xml"
        tree = ElementTree.parse(path)
        edit(tree.getroot(), tree.getroot().findall("object"))
        tree.write(path)
        self.expect(code, name if named else "")


def set_box(node, *corners):
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
        node.find(f"bndbox/{side}").text = str(value)


def append(root, node, name=None):
    copied = ElementTree.fromstring(ElementTree.tostring(node))
    if name:
        copied.find("name").text = name
    root.append(copied)


@pytest.mark.slow
def test_every_fault_planted_into_bccd_is_found(root, shared, tmp_path):
    folder = tmp_path / "bccd"
    shutil.copytree(shared / "data" / "bccd", folder)
    lists = folder / "ImageSets" / "Main"
    train = (lists / "trainval.txt").read_text().split()
    val = (lists / "test.txt").read_text().split()
    p = Planted(folder, train[40:])
    name, path = p.image()
    path.unlink()
    p.expect("missing-images", name)
    name, path = p.image()
    path.write_bytes(path.read_bytes()[:-4000])
    p.expect("unreadable-images", name)
    name, path = p.image()
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (320, 240)))
    p.expect("image-sizes", name)
    p.change("boxes-outside", lambda r, o: set_box(o[0], 600, 10, 700, 90))
    p.change("boxes-without-area", lambda r, o: set_box(o[0], 700, 10, 800, 90))
    p.change("boxes-without-area", lambda r, o: set_box(o[0], 10, 10, 10, 90))
    p.change("tiny-boxes", lambda r, o: set_box(o[0], 10, 10, 12, 12))
    p.change("boxes-cover-image", lambda r, o: set_box(o[0], 0, 0, 640, 480))
    p.change("duplicate-boxes", lambda r, o: append(r, o[0]))
    p.change("duplicate-boxes-other-class", lambda r, o: append(r, o[0], "Platelets"))
    p.change("images-without-objects", lambda r, o: [r.remove(node) for node in o])
    p.change("class-names", lambda r, o: setattr(o[0].find("name"), "text", "Neutrophil"), False)
    p.change("broken-entries", lambda r, o: setattr(o[0].find("bndbox/xmin"), "text", "left"))
    name, path = p.image()
    other = folder / "JPEGImages" / f"{val[3]}.jpg"
    cv2.imwrite(str(other), cv2.convertScaleAbs(cv2.imread(str(path)), alpha=0.8, beta=10))
    p.expect("copies-in-both", name, val[3])
    (name, path), (again, copy) = p.image(), p.image()
    cv2.imwrite(str(copy), cv2.imread(str(path))[8:-8, 10:-10])
    p.expect("copies-within", name, again)
    (lists / "test.txt").write_text("\n".join([*val, train[0]]))
    p.expect("same-images-in-both", train[0])
    (folder / "JPEGImages" / "new.jpg").write_bytes(
        (shared / "data" / "raccoon" / "images" / "raccoon-1.jpg").read_bytes()
    )
    p.expect("images-not-annotated", "new.jpg")

    subject = bccd(root, folder)
    subject.sections["data.train"].unknown_classes = "error"
    start = time.perf_counter()
    found = diagnose(subject)
    assert time.perf_counter() - start < 60
    for code, named in p.expected:
        texts = [
            " ".join([one.what, *(example.text for example in one.examples)])
            for one in found.findings
            if one.code == code
        ]
        assert any(all(word in text for word in named) for text in texts), (code, named, texts)
    assert not found.healthy
    assert not any(re.search("Traceback", one.what) for one in found.findings)
