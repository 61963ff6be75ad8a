"""The spec of files for a target."""

import dataclasses
from typing import Any

from nanodet.errors import NanodetError
from nanodet.export.graph import check_layout, export_graph
from nanodet.export.rewriting.plan import Plan, target_of
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import MAPS, ROWS
from nanodet.text import Say


def for_target(spec: Spec, network: Any, name: str, option: str, report: Say) -> Spec:
    """Return a spec that says how the network is rewritten for a target, and the layout of its outputs.

    Outputs stay rows where the head can give no maps, and a network stays as it is where its code
    cannot be read or holds nothing to rewrite.

    Args:
        spec: of the files to be.
        network: the detector.
        name: a key of `nanodet.export.rewriting.plan.TARGETS`; option: names it in messages.
        report: called with a line where outputs stay rows.

    Raises:
        NanodetError: there is no such target.
    """
    target = target_of(name, option)
    layout = MAPS if target.maps else ROWS
    try:
        check_layout(network.head, layout, f"{option} {name}")
    except NanodetError as error:
        report(f"{error}; the output is one of rows")
        layout = ROWS
    spec = dataclasses.replace(spec, layout=layout)
    return spec if target.plan is None else by_plan(spec, network, target.plan)


def by_plan(spec: Spec, network: Any, plan: Plan) -> Spec:
    """Return a spec that says that the network is rewritten by a plan, if that changes anything."""
    found = dataclasses.replace(spec, rewriting=plan.to_dict())
    made = export_graph(network, found).rewritten
    changed = made is not None and made.changed
    return found if changed else dataclasses.replace(spec, rewriting=None)
