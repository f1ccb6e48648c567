"""Pulls compared with a model of 150 lines, from registries in memory and from real ones."""

from __future__ import annotations

import socket

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.machines.pulling import CONTENTS, TYPES, PullMachine
from tests.support import image_forms as forms
from tests.support import real_registries as real
from tests.support.memory_registries import MemoryRegistries
from tests.support.pull_world import Image, Registry
from tests.support.registry import NewRegistry
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime

pytestmark = pytest.mark.timeout(3600)  # for the slow profile


class InMemory(PullMachine):
    """Registries in memory: any blob may be damaged, and any registry may fail."""

    hosts = ("a.example", "b.example:5000")
    breakable = tuple(sorted(CONTENTS))

    def runtime(self, options: Options) -> Runtime:
        registries = MemoryRegistries(self.model.registries, CONTENTS, TYPES)
        return Runtime(self.store, options, open_source=registries.open)

    @rule(
        host=st.sampled_from(hosts),
        fault=st.sampled_from(["", "", "registry.unreachable", "registry.unexpected_status"]),
    )
    def change_fault(self, host: str, fault: str) -> None:
        """Let all requests to a registry fail, or succeed again."""
        self.model.registries[host].fault = fault


TestInMemory = pytest.mark.clause(
    "PULL-001",
    "PULL-003",
    "PULL-004",
    "PULL-005",
    "PULL-010",
    "PULL-011",
    "PULL-018",
    "GOAL-010",
    "GOAL-011",
    "GOAL-012",
    "GOAL-030",
    "GOAL-031",
    "GOAL-033",
    "CONF-009",
    "LABEL-001",
    "LABEL-002",
    "LABEL-004",
    "POLICY-010",
    "POLICY-012",
    "EVENT-002",
    "ERR-010",
    "ERR-011",
    "ERR-012",
    "ERR-014",
    "ERR-020",
    "ERR-021",
    "TEXT-001",
    "TEXT-002",
    "TEXT-005",
    "TEXT-006",
    "TEXT-008",
    "TEXT-009",
    "TEXT-010",
    "STORE-002",
    "STORE-003",
    "STORE-004",
    "STORE-005",
    "STORE-007",
    "STORE-016",
)(InMemory.TestCase)


def _tops() -> set[str]:
    """The config and the top layer of each image; damage in them has only one effect."""
    images = [form.model for form in forms.PUSHED.values() if isinstance(form.model, Image)]
    layers = {image.layers[-1] for image in images if image.layers}
    return layers | {f"sha256:{image.id}" for image in images}


@pytest.mark.clause("PULL-003", "PULL-020", "ERR-010", "ERR-011", "LABEL-003", "STORE-002")
def test_pulls_from_real_registries(new_registry: NewRegistry) -> None:
    """The same machine with two real registry servers, and a port that refuses connections."""
    servers = {server.host: server for server in (new_registry(), new_registry())}
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        closed_port = f"127.0.0.1:{bound.getsockname()[1]}"

        class AmongRealRegistries(PullMachine):
            hosts = tuple(servers)
            others = (closed_port,)
            breakable = tuple(sorted(_tops()))
            exact = False

            def registry(self, host: str) -> Registry:
                if host in servers:
                    real.forget_everything(servers[host])
                    return Registry(servers[host].url)
                return Registry(f"http://{host}", fault="registry.unreachable")

            def do_push(self, host: str, repository: str, tag: str, form: forms.Pushed) -> None:
                real.push(servers[host], repository, tag, form)

            def do_forget(self, host: str, repository: str, digest: str) -> None:
                real.forget(servers[host], repository, digest)

            def do_break(self, host: str, digest: str, *, gone: bool) -> None:
                real.break_blob(servers[host], digest, CONTENTS[digest], gone=gone)

            def do_mend(self, host: str, digest: str) -> None:
                real.mend_blob(servers[host], digest, CONTENTS[digest])

            def runtime(self, options: Options) -> Runtime:
                return Runtime(self.store, options)

        examples = max(10, settings.default.max_examples // 5) if settings.default else 10
        run_state_machine_as_test(AmongRealRegistries, settings=settings(max_examples=examples))
