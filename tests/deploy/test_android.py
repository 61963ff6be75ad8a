"""The app compiles against a real framework jar, and its resources pass aapt.

There is no Android SDK here, so neither Gradle nor the APK is run. The jar is Debian's package
libandroid-23-java (API 23), or what ``ANDROID_JAR`` names.
"""

import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from needs import need

DEBIAN_JAR = "/usr/lib/android-sdk/platforms/android-23/android.jar"
ANDROID = "{http://schemas.android.com/apk/res/android}"


@pytest.fixture(scope="module")
def project(root):
    return root / "deploy" / "android"


@pytest.fixture(scope="module")
def main(project):
    """Folder of the app's manifest, sources and resources."""
    return project / "app" / "src" / "main"


@pytest.fixture(scope="module")
def gradle(project):
    """Text of the app's build file, which holds its versions."""
    return (project / "app" / "build.gradle").read_text()


@pytest.fixture(scope="module")
def jar():
    path = Path(os.environ.get("ANDROID_JAR") or DEBIAN_JAR)
    if not path.is_file():
        pytest.skip(
            f"no Android framework at {path}: bullseye's package libandroid-23-java has one; "
            "ANDROID_JAR says where it lies"
        )
    return path


@pytest.fixture(scope="module")
def packaged(main, gradle, jar, tmp_path_factory):
    """Folder with what aapt makes of manifest and resources: ``app.apk`` and ``R.java``."""
    need("aapt")
    folder = tmp_path_factory.mktemp("packaged")
    # Gradle writes these into the manifest; its source must not have the package any more
    manifest = (main / "AndroidManifest.xml").read_text()
    (folder / "AndroidManifest.xml").write_text(
        manifest.replace("<manifest ", f'<manifest package="{text(gradle, "namespace")}" ', 1)
    )
    done = finish(
        "aapt", "package", "-f", "-m", "-I", jar, "-S", main / "res",
        "-M", folder / "AndroidManifest.xml", "-J", folder, "-F", folder / "app.apk",
        "--min-sdk-version", number(gradle, "minSdk"),
        "--target-sdk-version", number(gradle, "targetSdk"),
        "--version-code", number(gradle, "versionCode"),
        "--version-name", text(gradle, "versionName"),
    )  # fmt: skip
    assert "warning" not in done.lower()
    return folder


def text(gradle, key):
    (value,) = re.findall(rf"^ +{key} '(.+)'$", gradle, re.MULTILINE)
    return value


def number(gradle, key):
    (value,) = re.findall(rf"^ +{key} (\d+)$", gradle, re.MULTILINE)
    return value


def finish(*command):
    """Run a command to its good end; return all that it prints."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_sources_compile(main, jar, packaged, tmp_path):
    need("javac")
    sources = [*(main / "java").rglob("*.java"), *packaged.rglob("R.java")]
    assert len(sources) > 20
    # a bootclasspath of another release than the JDK's is the point, and no reason for a warning
    said = finish(
        "javac", "-Xlint:all,-options", "-Werror", "-source", "8", "-target", "8",
        "-bootclasspath", jar, "-d", tmp_path, *sources,
    )  # fmt: skip
    assert said == ""
    assert (tmp_path / "org/nanodet/app/MainActivity.class").is_file()


def test_what_the_manifest_says(packaged):
    said = finish("aapt", "dump", "badging", packaged / "app.apk")
    for line in (
        "package: name='org.nanodet.app'",
        "sdkVersion:'23'",
        "targetSdkVersion:'35'",
        "uses-permission: name='android.permission.CAMERA'",
        "launchable-activity: name='org.nanodet.app.MainActivity'",
        "uses-feature: name='android.hardware.camera.any'",
        "uses-feature-not-required: name='android.hardware.camera'",
        "application: label='NanoDet' icon='res/drawable/icon.xml'",
    ):
        assert any(found.strip().startswith(line) for found in said.splitlines()), line
    # the camera, and nothing else
    assert said.count("uses-permission:") == 1


def test_every_resource_is_used_and_every_text_is_one(main):
    """No text of the screen is written in Java or in a layout."""
    used = "".join(path.read_text() for path in main.rglob("*.java"))
    used += "".join(path.read_text() for path in (main / "res").rglob("*.xml"))
    used += (main / "AndroidManifest.xml").read_text()
    for file in (main / "res" / "values").iterdir():
        for entry in ElementTree.parse(file).getroot():
            kind, name = entry.tag, entry.get("name")
            assert re.search(rf"R\.{kind}\.{name}\b|@{kind}/{name}\b", used), f"{kind} {name}"
    for element in ElementTree.parse(main / "res" / "layout" / "main.xml").iter():
        for key in ("text", "contentDescription"):
            assert element.get(ANDROID + key, "@string/").startswith("@string/")


def test_native_methods_are_there(main):
    """Each native method of `Detector` has its function, and none is left over."""
    java = (main / "java/org/nanodet/Detector.java").read_text()
    native = (main / "cpp/nanodet_jni.cpp").read_text()
    methods = re.findall(r"static native [\w\[\]]+ (\w+)\(", java)
    assert len(methods) == 9
    assert sorted(methods) == sorted(re.findall(r"Java_org_nanodet_Detector_(\w+)\(", native))


def test_versions_are_pinned(project, gradle):
    """No version that changes by itself; the wrapper's Gradle is checked by its hash."""
    files = [gradle, (project / "build.gradle").read_text()]
    (checksum,) = re.findall(r"[0-9a-f]{64}", files[1])
    wrapper = (project / "gradle/wrapper/gradle-wrapper.properties").read_text()
    assert re.search(r"com.android.application' version '\d+\.\d+\.\d+'", files[1])
    assert re.search(r"ndkVersion '\d+\.\d+\.\d+'", gradle)
    assert re.search(r"gradle-\d+\.\d+-bin\.zip\ndistributionSha256Sum=" + checksum, wrapper)
    assert not any(re.search(r"\d\.\+|latest\.", file) for file in files)


def test_numbers_of_models_are_in_no_source(main):
    """Thresholds, means, strides and names come from the JSON."""
    sources = [*main.rglob("*.java"), *main.rglob("*.cpp")]
    for path in sources:
        found = re.findall(
            r"103\.53|116\.28|123\.675|57\.375|0\.35\b|0\.6\b|\b320\b|\bperson\b|reg_max|strides\b",
            re.sub(r"//.*|\*.*|\"[^\"]*\"", "", path.read_text()),
        )
        assert not found, f"{path}: {found}"
