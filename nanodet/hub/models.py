"""Published models in the cache: downloading, conversion to the form that runs, finding by name."""

import contextlib
import dataclasses
import difflib
import shutil
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import sha256, write_text
from nanodet.files.incoming import is_file, read_steadily
from nanodet.files.publish import finish_publishing, publish, publishing, working_folder
from nanodet.hub.catalogue import CATALOGUE, Published
from nanodet.hub.download import TIMEOUT_S, address, cache_folder, download
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.unify import unify
from nanodet.runtime.spec import Spec


def model_file(text: StrPath) -> str:
    """Return the path of a model given by its path or its published name.

    A published model that is not in the cache is downloaded. Any other text is returned unchanged, and
    fails when it is opened.

    Raises:
        NanodetError: it cannot be downloaded.
    """
    if str(text) not in CATALOGUE or is_file(text):
        return str(text)
    return str(fetch_model(str(text)))


def fetch_model(name: str, timeout: float = TIMEOUT_S) -> Path:
    """Return the ``.param`` of a published model in the cache, which also has its spec and weights.

    Only missing files are downloaded, and nothing is written if the model is complete.

    Args:
        name: a key of `nanodet.hub.catalogue.CATALOGUE`.
        timeout: seconds to wait for the connection, and for data.

    Raises:
        NanodetError: no such model, or it cannot be downloaded or written.
    """
    if name not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        raise NanodetError(f"{name}: no such published model{meant(name) or f'; known: {known}'}")
    model = CATALOGUE[name]
    with contextlib.suppress(NanodetError, OSError):  # a read-only cache
        finish_publishing(_folder(model))
    if not is_cached(model):
        for file in (model.param, model.weights):
            _fetch(model, file, timeout)
        _build(model)
    return _path(model, ".param")


def is_cached(model: Published) -> bool:
    """Return whether a `Published` is in the cache, complete and in the form of this version."""

    def load():
        spec = Spec.load(_path(model, ".json"))
        return spec, {name: sha256(_folder(model) / name) for name in spec.files}

    try:
        spec, files = read_steadily(_path(model, ".param"), load)
    except (NanodetError, OSError):
        return False
    return spec == _spec(model, files) and set(files) == {
        f"{model.name}.param",
        f"{model.name}.bin",
    }


def meant(text: StrPath) -> str:
    """Return ``; did you mean NAME?`` if a published name is similar to ``text``, otherwise nothing."""
    near = difflib.get_close_matches(Path(text).name, CATALOGUE, n=1)
    return f"; did you mean the published {near[0]}?" if near else ""


def _fetch(model, file, timeout):
    """Ensure that a published file is in the cache as it was published."""
    path = _folder(model) / "published" / file.name
    if path.is_file() and path.stat().st_size == file.size and sha256(path) == file.sha256:
        return
    url = address(f"{model.name}/published/{file.name}", f"{model.folder}/{file.name}")
    try:
        download(url, path, file.sha256, file.size, timeout, file.name)
    except NanodetError as error:
        both = f"{model.param.name} and {model.weights.name}"
        raise NanodetError(
            f"{model.name}: {error}; or put {both} into {path.parent} yourself"
        ) from None


def _build(model):
    """Write the model in the form that this project runs."""
    out = _folder(model)
    published = out / "published"
    graph, _ = unify(Graph.load(published / model.param.name), published / model.param.name)
    with working_folder(out) as work:
        param, weights = (work / f"{model.name}{suffix}" for suffix in (".param", ".bin"))
        write_text(param, graph.to_text())
        shutil.copyfile(published / model.weights.name, weights)
        files = {file.name: sha256(file) for file in (param, weights)}
        _spec(model, files).save(param.with_suffix(".json"))
        with publishing(out):
            publish(work, out)


def _spec(model, files):
    source = {"url": model.folder, "licence": model.licence}
    source |= {file.name: file.sha256 for file in (model.param, model.weights)}
    return dataclasses.replace(model.spec, files=files, source=source)


def _folder(model):
    return cache_folder() / model.name


def _path(model, suffix):
    return _folder(model) / f"{model.name}{suffix}"
