import json
from importlib.resources import files

import pytest

from flows.pools import GPU, LIGHT, template
from graft.errors import BadInput

IMAGE = "registry.example/graft-worker@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def metadata():
    """What a server of Prefect says of the kinds of workers that there are."""
    place = files("prefect.server.api") / "collections_data" / "views" / "aggregate-worker-metadata.json"
    return json.loads(place.read_text())


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_an_image_without_its_digest_is_refused(kind, metadata):
    with pytest.raises(BadInput, match=r"(?s)by digest.*@sha256"):
        template(kind, GPU, "graft-worker:latest", metadata)


@pytest.mark.parametrize("kind", ["process", "docker", "kubernetes"])
def test_every_kind_beats_often_and_renders_what_it_names(kind, metadata):
    found = template(kind, GPU, IMAGE, metadata)
    assert found["variables"]["properties"]["env"]["default"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    named = {word.split("}}")[0].strip() for word in json.dumps(found["job_configuration"]).split("{{")[1:]}
    assert named <= found["variables"]["properties"].keys()


def test_a_job_of_the_cluster_has_a_gpu_shared_memory_and_no_root(metadata):
    found = template("kubernetes", GPU, IMAGE, metadata)
    pod = found["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpus }}"
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert found["variables"]["properties"]["node_selector"]["default"] == {"nvidia.com/gpu.present": "true"}


def test_a_container_has_a_gpu_and_shared_memory(metadata):
    wanted = template("docker", GPU, IMAGE, metadata)["variables"]["properties"]["container_create_kwargs"]["default"]
    assert wanted["shm_size"] == "2g"
    assert wanted["device_requests"][0]["Capabilities"] == [["gpu"]]
    assert wanted["read_only"]


def test_the_light_pool_asks_for_no_gpu(metadata):
    assert "gpu" not in json.dumps(template("kubernetes", LIGHT, IMAGE, metadata)["job_configuration"])
    assert "device_requests" not in json.dumps(template("docker", LIGHT, IMAGE, metadata))
