"""Terraform's provider for the lab: a thread of the kernel that Terraform talks to.

Terraform itself knows no server. It asks a provider over gRPC what each resource is and has it
made, changed or taken away; other providers do so with the interface of a cloud. This one is
named to Terraform in TF_REATTACH_PROVIDERS, so that it need not be installed.
"""

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from tf import iface, types
from tf import schema as tf_schema
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc
from tf.gen import tfplugin_pb2_grpc as protocol
from tf.provider import ProviderServicer
from tf.utils import Diagnostics

from devops_lab.lab_resources import KINDS, Attribute, Kind, Lab, State

# The systems have room for 104 bytes or a few more.
LONGEST_SOCKET_PATH = 100
SOURCE = "moonlight.example/bakery/lab"
_TYPES = {
    "string": types.String(),
    "number": types.Number(),
    "strings": types.List(types.String()),
}


class LabResource(iface.Resource):
    """One kind of resource, in the words of the framework for providers."""

    kind: type[Kind]

    def __init__(self, provider: "LabProvider") -> None:
        self._kind = self.kind(provider.lab)

    @classmethod
    def get_name(cls) -> str:
        """Its name without the prefix."""
        return cls.kind.name

    @classmethod
    def get_schema(cls) -> tf_schema.Schema:
        """Its attributes."""
        return tf_schema.Schema(version=1, attributes=[*map(_attribute, cls.kind.attributes)])

    def validate(self, diags: Diagnostics, type_name: str, config: State) -> None:
        """Say what no resource of this kind can be, before anything is planned."""
        super().validate(diags, type_name, config)
        # What is not known before the apply comes as an object of msgpack's.
        known = {
            name: value for name, value in config.items() if isinstance(value, str | float | int)
        }
        _reported(diags, lambda: self._kind.check(known), None)

    def create(self, ctx: iface.CreateContext, planned: State) -> State | None:
        """The state of a new resource; None, and a reason, where it could not be made."""
        return _reported(ctx.diagnostics, lambda: self._kind.create(_known(planned)), None)

    def read(self, ctx: iface.ReadContext, current: State) -> State | None:
        """The state now; None where the resource is gone."""
        return _reported(ctx.diagnostics, lambda: self._kind.read(current), current)

    def update(self, ctx: iface.UpdateContext, current: State, planned: State) -> State | None:
        """The state after the change; the one before it, and a reason, where it failed."""
        return _reported(ctx.diagnostics, lambda: self._kind.update(current, planned), current)

    def delete(self, ctx: iface.DeleteContext, current: State) -> State | None:
        """None, when it is taken away."""
        return _reported(ctx.diagnostics, lambda: self._kind.delete(current), current)

    def import_(self, ctx: iface.ImportContext, id: str) -> State | None:  # noqa: A002
        """The state of a resource that somebody else has made, found by its name."""
        return _reported(ctx.diagnostics, lambda: self._kind.find(id), None)


class LabProvider(iface.Provider):
    """The provider of one lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._resources = [
            type(f"Lab{kind.__name__}", (LabResource,), {"kind": kind}) for kind in KINDS
        ]

    def get_model_prefix(self) -> str:
        """What the names of its resources begin with."""
        return "lab_"

    def full_name(self) -> str:
        """The address under which a configuration asks for it."""
        return SOURCE

    def get_provider_schema(self, diags: Diagnostics) -> tf_schema.Schema:
        """Nothing has to be set: there is one lab."""
        return tf_schema.Schema(version=1)

    def validate_config(self, diags: Diagnostics, config: State) -> None:
        """Nothing is set, so nothing is wrong."""

    def configure_provider(self, diags: Diagnostics, config: State) -> None:
        """Nothing is set."""

    def get_data_sources(self) -> list[type[iface.DataSource]]:
        """None."""
        return []

    def get_resources(self) -> list[type[iface.Resource]]:
        """The kinds of the lab."""
        return self._resources


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):
    def Shutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        # Terraform says so when it is done; the provider is there for the next one.
        return grpc_controller_pb2.Empty()


class _Output(grpc_stdio_pb2_grpc.GRPCStdioServicer):
    def StreamStdio(self, request: Any, context: Any) -> Any:  # noqa: N802
        return iter(())


class ProviderThread:
    """The provider, listening; `reattach` is what Terraform has to know to find it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        provider = LabProvider(lab)
        self._short: TemporaryDirectory[str] | None = None
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="provider")
        self._server = grpc.server(self._threads)
        protocol.add_ProviderServicer_to_server(ProviderServicer(provider), self._server)
        grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(), self._server)
        grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Output(), self._server)
        self.reattach = json.dumps({provider.full_name(): _how_to_reach(self._listen(folder))})
        self._server.start()

    def stop(self) -> None:
        """Listen no more; what is being made is finished first."""
        self._server.stop(grace=None).wait()
        self._threads.shutdown()
        if self._short:
            self._short.cleanup()

    def _listen(self, folder: Path) -> dict[str, str]:
        # Whoever reaches it can start servers: a socket in a private folder is ours alone. Windows
        # has no such sockets for gRPC.
        if sys.platform != "win32":
            path = str(folder / "lab.sock")
            if len(path) > LONGEST_SOCKET_PATH:
                self._short = TemporaryDirectory(prefix="devops-lab-", dir="/tmp")
                path = f"{self._short.name}/lab.sock"
            self._server.add_insecure_port(f"unix:{path}")
            return {"Network": "unix", "String": path}
        port = self._server.add_insecure_port("127.0.0.1:0")
        return {"Network": "tcp", "String": f"127.0.0.1:{port}"}


def _how_to_reach(address: dict[str, str]) -> dict[str, Any]:
    return {
        "Protocol": "grpc",
        "ProtocolVersion": 6,
        "Pid": os.getpid(),
        # Else Terraform would end the process that the provider runs in: this kernel.
        "Test": True,
        "Addr": address,
    }


def _attribute(attribute: Attribute) -> tf_schema.Attribute:
    return tf_schema.Attribute(
        attribute.name,
        _TYPES[attribute.type],
        required=attribute.required,
        # Who gives a port chooses it, who gives none lets the lab choose.
        optional=attribute.default is not None or (attribute.computed and attribute.replaces),
        computed=attribute.computed,
        requires_replace=attribute.replaces,
    )


def _known(planned: State) -> State:
    return {name: None if value is types.Unknown else value for name, value in planned.items()}


def _reported(
    diags: Diagnostics, act: Callable[[], State | None], otherwise: State | None
) -> State | None:
    """What the act gives; where it fails, its words go to Terraform as an error."""
    try:
        return act()
    except Exception as error:
        first, _newline, rest = str(error).partition("\n")
        diags.add_error(first, rest)
        return otherwise
