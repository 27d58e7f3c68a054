"""S3 servers on loopback that end with the test: moto for semantics, rclone for files, credentials and restarts."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from graft.storage import S3Store

KEY, SECRET = "graft", "graft-secret"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, url):
    """Return when a server answers anything; raises when it ends first."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


@contextlib.contextmanager
def serving(command, url):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(process, url)
        yield process
    finally:
        process.kill()
        process.wait()


def client(url, key=KEY, secret=SECRET):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=10),
    )


@pytest.fixture(scope="session")
def moto():
    """Return the address of an S3 that keeps everything in memory and honours conditional writes, many at once too."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "tests.graft.storage.moto_server", url.rsplit(":", 1)[1]]
    with serving(command, f"{url}/moto-api/"):
        yield url


@pytest.fixture
def s3(moto, request):
    """Return a store in a bucket of its own."""
    made = client(moto)
    bucket = f"bucket-{abs(hash(request.node.nodeid)) % 10**9}"
    made.create_bucket(Bucket=bucket)
    return S3Store(bucket, "team/graft", client=made)


@contextlib.contextmanager
def rclone(folder: Path, port: int, secret: str = SECRET):
    """Yield the address of an S3 over plain files that checks credentials and ignores conditions."""
    url = f"http://127.0.0.1:{port}"
    program = Path(sys.executable).with_name("rclone")
    command = [program, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{secret}"]
    with serving([*map(str, command), "--config", "/dev/null"], url):
        yield url
