"""What the shape of the package promises: who imports whom, how little an import costs, where
programs may listen, and one style."""

import ast
import graphlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

import devops_lab

PACKAGE = Path(devops_lab.__file__).parent
ROOT = PACKAGE.parent

# Parameters and language are everybody's ground.
GROUND = {"rules", "translation"}
# The arrows of the design: a module imports what stands beside it here, and the ground.
MAY_IMPORT = {
    # tables, and the closed forms: numbers in, numbers out
    "tables": "",
    "queueing": "",
    "queue_networks": "",
    "load_balancing": "",
    "least_squares": "",
    "scaling": "least_squares queueing",
    "availability": "",
    "repair": "",
    "blocks": "availability",
    # one scenario and its three answers
    "backoff": "",
    "scenario": "backoff tables",
    "kernels": "backoff",
    "simulate": "kernels scenario tables",
    "theory": "queueing scenario",
    # where the course is, on which machine, and its command
    "machine": "cards",
    "tracebacks": "",
    "course": "tracebacks",
    "launcher": "course",
    "cli": "course launcher machine scenario simulate",
    # processes that cannot be left behind
    "families": "",
    "lifeline": "",
    "cells": "",
    "interpreter": "",
    "leftovers": "families",
    "reaper": "families leftovers lifeline",
    "reaper_link": "interpreter leftovers reaper",
    "processes": "cells families lifeline reaper_link",
    # paths and routes
    "limits": "",
    "paths": "",
    "routing": "paths",
    # servers: what runs in their own process, then what the kernel holds of them
    "keyed_hash": "",
    "whole_writes": "",
    "access_log": "whole_writes",
    "exposition": "",
    "service": "",
    "duplicates": "http1",
    "http1": "paths",
    "shop": "http1 routing",
    "route_function": "http1 limits",
    "open_files": "",
    "serve": "access_log course duplicates exposition http1 lifeline open_files paths "
    "route_function routing service shop",
    "client": "",
    "web_program": "client processes",
    "upstreams": "web_program",
    "servers": "course families interpreter processes route_function serve service tables"
    " web_program",
    "balancer": "client machine processes upstreams web_program",
    "nginx": "families machine processes upstreams",
    "connections": "",
    "calls": "backoff connections",
    "sender": "calls connections lifeline open_files",
    "loadgen": "families interpreter processes scenario sender simulate tables",
    "attacks": "balancer leftovers limits route_function servers",
    # clients that behave, in the notebook and between layers; trying again and fan-out in numbers
    "clients": "calls client connections event_loop scenario tables",
    "layer_server": "access_log calls connections http1 purpose_program serve shop",
    "layers": "families loadgen processes purpose_servers scenario servers",
    "retries": "backoff scenario",
    "tail": "tables",
    "overload": "scenario simulate",
    # a scenario on real servers, and its three answers side by side
    "measurable": "balancer nginx scenario upstreams",
    "outages": "availability kernels scenario simulate tables",
    "fault_injection": "balancer processes servers tables",
    "measure": "balancer families fault_injection loadgen measurable outages processes scenario"
    " servers service simulate tables upstreams",
    "compare": "measurable measure queueing scenario simulate tables theory",
    "health_checks": "balancer families loadgen nginx processes servers upstreams",
    # an autoscaler, in simulated time and on real servers
    "autoscaler": "scaling scenario tables",
    "simulated_fleet": "autoscaler simulate tables",
    "real_fleet": "autoscaler balancer client families loadgen measurable processes servers"
    " simulate simulated_fleet tables upstreams",
    # a page of many servers, and work too heavy for a page
    "pages": "client servers shop",
    "baskets": "shop",
    "job_server": "access_log baskets http1 lifeline purpose_program shop",
    "jobs": "processes purpose_servers",
    # messages: brokers and the ways to them, then workers, then what the kernel holds of both
    "event_log": "whole_writes",
    "event_loop": "",
    "book": "",
    "emulated_network": "",
    "message_wire": "",
    "nats_wire": "message_wire",
    "stand_in": "lifeline message_wire",
    "wires": "message_wire nats_wire stand_in",
    "message_worker": "book emulated_network event_log lifeline limits message_wire"
    " route_function wires",
    "brokers": "book event_log event_loop interpreter machine message_wire processes stand_in"
    " tables wires",
    "messages": "brokers emulated_network event_log families interpreter message_wire processes"
    " route_function",
    "shifts": "brokers emulated_network messages tables",
    "message_jobs": "baskets messages",
    "frozen_holder": "brokers families messages",
    # machines of a chosen size, the shop's sessions, and a job that only partly splits
    "purpose_program": "access_log course serve service",
    "purpose_servers": "interpreter servers",
    "resources": "",
    "resource_server": "access_log http1 purpose_program resources service shop",
    "sized_servers": "balancer processes purpose_servers resources web_program",
    "signed_cookie": "",
    "session_store": "access_log http1 purpose_program shop",
    "session_server": "access_log client http1 purpose_program session_store shop signed_cookie",
    "sessions": "balancer client families processes purpose_servers session_server session_store",
    "closing": "scaling",
    "closing_server": "access_log closing http1 purpose_program shop",
    "closing_servers": "closing processes purpose_servers",
    # from an edited line to the people who see it
    "commands": "families processes",
    "workshop": "commands course leftovers machine",
    "repository": "workshop",
    "package_index": "machine workshop",
    "pipeline": "package_index repository workshop",
    "releases": "processes web_program workshop",
    "delivery": "commands package_index pipeline processes releases servers tables workshop",
    "change_flow": "tables",
    "delivery_figures": "change_flow figures",
    "delivery_dashboards": "change_flow dashboards delivery_figures figures",
    # hosts that Ansible configures: what runs on them, then what the kernel holds of them
    "ansible_plugins": "",
    "configured_server": "access_log course http1 serve service shop",
    "supervisor": "families interpreter",
    "service_command": "supervisor",
    "module_runner": "supervisor",
    "plays": "interpreter machine processes supervisor",
    "configuration": "client course interpreter plays processes service_command supervisor tables",
    "recorded_fleet": "client configuration course plays",
    # what Terraform provides: the resources, its provider, the tool and its stand-in, all together
    "lab_resources": "balancer client servers web_program",
    "lab_provider": "lab_resources",
    "terraform_program": "",
    "provisioning_plans": "tables",
    "terraform": "families interpreter machine processes provisioning_plans terraform_program",
    "reconcile": "lab_resources provisioning_plans terraform",
    "provisioning": "cells course lab_provider lab_resources leftovers processes"
    " provisioning_plans reconcile servers terraform",
    "preparedness": "balancer families servers tables",
    "provisioning_figures": "figures preparedness",
    "provisioning_dashboards": "dashboards provisioning_figures",
    # figures
    "figures": "",
    "request_figures": "figures",
    "comparison_figures": "figures",
    "cost_figures": "figures",
    "page_figures": "figures",
    "overload_figures": "figures",
    "latency_figures": "figures queueing",
    "three_ways_figure": "figures latency_figures",
    "availability_figures": "availability blocks figures",
    "availability_dashboards": "availability availability_figures dashboards figures outages"
    " scenario tables",
    "message_figures": "figures",
    "balancing_figures": "autoscaler figures",
    "deployment_figures": "deployments figures rollouts",
    "scaling_figures": "figures scaling",
    "live_figure": "figures",
    "traffic_view": "figures service",
    "dashboards": "attacks cells live_figure loadgen processes request_figures servers tables",
    "message_dashboards": "cells dashboards figures message_figures shifts",
    "page_dashboards": "dashboards loadgen page_figures pages servers tables",
    "scaling_dashboards": "cells closing closing_servers dashboards scaling scaling_figures",
    "model_and_real": "cells dashboards",
    "overload_dashboards": "dashboards measure model_and_real overload overload_figures "
    "scenario simulate tail",
    "three_ways": "dashboards figures measure model_and_real scenario simulate theory"
    " three_ways_figure",
    "balancing_dashboards": "autoscaler balancing_figures dashboards figures measure"
    " model_and_real real_fleet scenario simulate simulated_fleet",
    "deployment_dashboards": "dashboards deployment_figures deployments model_and_real rollouts",
    "no_delay": "",
    # metrics
    "labels": "",
    "timeseries": "labels",
    "scrape": "labels tables",
    "logs": "keyed_hash tables",
    "log_runs": "logs servers",
    "log_figures": "figures logs",
    "log_dashboards": "dashboards layers loadgen log_figures logs scenario tables",
    "signals": "labels timeseries",
    "signal_runs": "families prometheus servers",
    "signal_figures": "figures timeseries",
    "signal_dashboards": "dashboards figures loadgen metric_store servers signal_figures signals"
    " telemetry",
    "generated_logs": "tables telemetry",
    "metric_store": "client processes scrape tables",
    "prometheus": "labels machine metric_store tables web_program",
    "planted_faults": "",
    "telemetry": "exposition labels planted_faults tables",
    "experiments": "",
    "simulated_experiments": "experiments",
    "verdicts": "experiments",
    "usage_server": "access_log event_log http1 keyed_hash purpose_program shop",
    "usage": "balancer client experiments judgement keyed_hash logs processes purpose_servers ramps"
    " tables usage_server",
    "dora": "tables",
    "judgement": "experiments",
    "ramps": "experiments judgement",
    # ways to bring a new version to people
    "rollouts": "",
    "deployments": "balancer families judgement loadgen processes rollouts servers tables"
    " upstreams",
    "changes": "balancer deployments judgement loadgen processes rollouts tables",
    "objectives": "",
    "alert_quality": "objectives",
    "alert_rules": "objectives",
    "rule_check": "machine",
    "incidents": "objectives telemetry",
    "objective_figures": "alert_quality figures incidents objectives",
    "objective_dashboards": "alert_quality dashboards incidents loadgen metric_store"
    " objective_figures objectives on_call servers signals",
    "experiment_figures": "experiments figures simulated_experiments",
    "experiment_dashboards": "dashboards experiment_figures simulated_experiments",
    "on_call": "alert_quality labels metric_store objectives signals",
    "latency_histogram": "",
    # keeping a fleet by hand, or automated
    "toil": "",
    "drift_figures": "figures toil",
    "drift_dashboards": "dashboards drift_figures toil",
    # exercises and progress
    "cards": "",
    "questions": "attacks autoscaler http1 keyed_hash paths route_function servers signed_cookie",
    "progress_file": "course",
    "progress": "cards course progress_file questions",
    "glossary": "cards course questions",
    "exercises": "cards limits progress_file questions",
    "hypotheses": "cards progress_file",
}

WITH_JUPYTERLAB = {
    "ipykernel",
    "ipython",
    "jupyter-client",
    "jupyter-server",
    "nbclient",
    "nbformat",
    "tornado",
    "traitlets",
}


def module_of(file: Path) -> str:
    """The flat name of a file, or of the folder that holds it."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def files() -> tuple[Path, ...]:
    return tuple(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


def imported_names(file: Path) -> set[str]:
    """The full names that the file imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def imported_modules(file: Path) -> set[str]:
    """The package's own modules that the file imports."""
    ours = {name.split(".")[1] for name in imported_names(file) if name.startswith("devops_lab.")}
    return {name for name in ours if any(module_of(other) == name for other in files())}


def test_every_module_has_its_place() -> None:
    assert {module_of(file) for file in files()} == GROUND | set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(MAY_IMPORT))
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    imported = {
        name for file in files() if module_of(file) == module for name in imported_modules(file)
    }
    assert imported - GROUND - {module} == set(MAY_IMPORT[module].split())


def imported_distributions(folder: Path) -> set[str]:
    """What has to be installed for the folder's files, but for what comes with JupyterLab."""
    names = {name.split(".")[0] for file in folder.rglob("*.py") for name in imported_names(file)}
    installed = importlib.metadata.packages_distributions()
    imported = {installed[name][0].lower().replace("_", "-") for name in names & set(installed)}
    return imported - {"devops-lab"} - WITH_JUPYTERLAB


def names_of(requirements: Iterable[str]) -> set[str]:
    return {re.match(r"[\w-]+", line)[0] for line in requirements}


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tests_only = names_of(extras.pop("test"))
    ours = names_of(sum(extras.values(), project["dependencies"]))
    assert imported_distributions(PACKAGE) <= ours
    assert imported_distributions(ROOT / "tests") <= ours | tests_only


def test_the_arrows_never_run_in_a_circle() -> None:
    arrows = {module: below.split() for module, below in MAY_IMPORT.items()}
    assert list(graphlib.TopologicalSorter(arrows).static_order())


def test_the_package_re_exports_nothing() -> None:
    told = "import devops_lab; print(*[name for name in vars(devops_lab) if name[0] != '_'])"
    assert subprocess.check_output([sys.executable, "-c", told], text=True).split() == []


@pytest.mark.parametrize("module", ["devops_lab", "devops_lab.cli", "devops_lab.processes"])
def test_what_every_lesson_starts_with_imports_nothing_heavy(module: str) -> None:
    told = f"import {module}, sys; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", told], text=True).split())
    assert loaded & {"numpy", "pandas", "plotly", "ipywidgets", "jupyterlab", "aiohttp"} == set()


def test_no_file_names_an_address_that_others_can_reach() -> None:
    everybody = {"0.0.0.0", "::", "[::]"}
    for file in files():
        texts = {
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert texts & everybody == set(), file


@pytest.mark.parametrize("arguments", ["check", "format --check"])
def test_the_style_is_the_houses(arguments: str) -> None:
    ruff = [sys.executable, "-m", "ruff", *arguments.split()]
    checked = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + "\nTo put it right: make format"
