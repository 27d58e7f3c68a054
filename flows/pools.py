"""Work pools: how a run becomes a process, a container or a job of a cluster.

Prefect's own template of each kind is taken from the server and given what training needs: a GPU, shared memory for
data loaders, a node to run on, and a container without root that cannot write to its image.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

from graft.errors import BadInput

Kind = Literal["process", "docker", "kubernetes"]
GPU, LIGHT = "gpu", "light"
PACKAGES = {"docker": "prefect-docker", "kubernetes": "prefect-kubernetes"}
Template = dict[str, Any]
WRITABLE = ("/tmp", "/work")
# Prefect's own default of heartbeats is three minutes, and a run that died would be Running for so long
ENVIRONMENT = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # a database that starts again makes the server answer 500 for some seconds
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_CLIENT_MAX_RETRIES": "7",
}


def template(kind: Kind, pool: str, image: str, metadata: dict[str, Any]) -> Template:
    """Return the base job template of a pool; raises BadInput for an image that is not named by its digest."""
    if kind != "process" and "@sha256:" not in image:
        raise BadInput(
            f"image {image or '(none)'}: a {kind} pool needs its image by digest, so that every run has the same bytes",
            advice="Name it so: `graft deploy --pool-type docker --image REGISTRY/graft-worker@sha256:...`.",
        )
    found = metadata.get(PACKAGES.get(kind, "prefect"), {}).get(kind)
    if found is None:
        raise BadInput(f"the server knows no {kind} workers; expected Prefect's own collection of them there")
    base = copy.deepcopy(found["default_base_job_configuration"])
    properties = base["variables"]["properties"]
    properties["env"]["default"] = ENVIRONMENT
    if kind == "process":
        return base
    properties["image"]["default"] = image
    return SHAPES[kind](base, pool == GPU)


def shape_docker(base: Template, gpu: bool) -> Template:
    """Give containers a GPU and keep them from writing to their image. Prefect has no variable for shared memory."""
    properties = base["variables"]["properties"]
    properties["auto_remove"]["default"] = True
    properties["container_create_kwargs"] = properties.get("container_create_kwargs") or {
        "title": "Container Configuration",
        "type": "object",
        "description": "Further arguments of docker-py's create_container.",
    }
    wanted: dict[str, Any] = {"read_only": True, "tmpfs": dict.fromkeys(WRITABLE, "rw,mode=1777"), "user": "1000"}
    if gpu:
        wanted |= {"shm_size": "2g", "device_requests": [{"Driver": "nvidia", "Count": 1, "Capabilities": [["gpu"]]}]}
    properties["container_create_kwargs"]["default"] = wanted
    base["job_configuration"]["container_create_kwargs"] = "{{ container_create_kwargs }}"
    return base


def shape_kubernetes(base: Template, gpu: bool) -> Template:
    """Ask for a GPU on a node that has one, shared memory, and a container without root."""
    properties = base["variables"]["properties"]
    pod = base["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    properties["node_selector"] = {
        "title": "Node Selector",
        "description": "Labels of the nodes that runs may go to.",
        "type": "object",
        "default": {"nvidia.com/gpu.present": "true"} if gpu else {},
    }
    pod["nodeSelector"] = "{{ node_selector }}"
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {path.strip("/"): (path, {}) for path in WRITABLE}
    if gpu:
        properties["gpus"] = {"title": "GPUs", "description": "GPUs of a run.", "type": "string", "default": "1"}
        properties["shared_memory"] = {
            "title": "Shared Memory",
            "description": "Memory that data loaders share, as Kubernetes writes quantities.",
            "type": "string",
            "default": "2Gi",
        }
        container["resources"]["limits"]["nvidia.com/gpu"] = "{{ gpus }}"
        volumes["shm"] = ("/dev/shm", {"medium": "Memory", "sizeLimit": "{{ shared_memory }}"})
    pod["volumes"] = [{"name": name, "emptyDir": kind} for name, (_, kind) in volumes.items()]
    container["volumeMounts"] = [{"name": name, "mountPath": path} for name, (path, _) in volumes.items()]
    return base


SHAPES: dict[str, Callable[[Template, bool], Template]] = {"docker": shape_docker, "kubernetes": shape_kubernetes}
