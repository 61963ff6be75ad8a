"""Published models in the cache: fetched, brought into the form that runs, found by name."""

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
    """Return the path of a model that is given by its path or its published name.

    A published model that is not in the cache is fetched. What is neither a file nor such a name
    is returned as it is: whoever opens it says what is wrong.

    Raises:
        NanodetError: it cannot be fetched.
    """
    if str(text) not in CATALOGUE or is_file(text):
        return str(text)
    return str(fetch_model(str(text)))


def fetch_model(name: str, timeout: float = TIMEOUT_S) -> Path:
    """Return the ``.param`` of a published model in the cache, where its spec and weights are too.

    Nothing is fetched that is there already, and nothing written where all is in its place.

    Args:
        name: a key of `nanodet.hub.catalogue.CATALOGUE`.
        timeout: seconds to wait for the connection, and for data.

    Raises:
        NanodetError: no such model, or it cannot be fetched or written.
    """
    if name not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        raise NanodetError(f"{name}: no such published model{meant(name) or f'; known: {known}'}")
    model = CATALOGUE[name]
    with contextlib.suppress(NanodetError, OSError):  # a cache that may be read alone
        finish_publishing(_folder(model))
    if not is_cached(model):
        for file in (model.param, model.weights):
            _fetch(model, file, timeout)
        _build(model)
    return _path(model, ".param")


def is_cached(model: Published) -> bool:
    """Tell whether a `Published` lies in the cache, whole and in the form that this version writes."""

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
    """Return ``; did you mean NAME?`` where a published name is like ``text``, else nothing."""
    near = difflib.get_close_matches(Path(text).name, CATALOGUE, n=1)
    return f"; did you mean the published {near[0]}?" if near else ""


def _fetch(model, file, timeout):
    """Make sure that a published file lies in the cache as it was published."""
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
    """Write the model in the one form that this project runs."""
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
