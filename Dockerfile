# The GPU worker: the locked environment and the code, run as an ordinary user.
#
#   docker build --tag graft-worker .
#   docker run --gpus all --shm-size 2g --env PREFECT_API_URL=http://server:4200/api graft-worker
#
# The CUDA libraries come with torch's wheels; the host brings the driver and the container toolkit.

FROM python:3.11-slim-bookworm AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
RUN pip install 'uv>=0.9,<1'
WORKDIR /opt/graft
COPY requirements.lock ./
RUN uv venv /opt/venv && uv pip sync --python /opt/venv/bin/python --require-hashes requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY graft graft
COPY tasks tasks
COPY flows flows
# Editable, so that a run's own checkout on the path is the code that runs.
RUN uv pip install --python /opt/venv/bin/python --no-deps --editable .

FROM python:3.11-slim-bookworm
# git: DVC works in a checkout. tini: as process 1 it reaps what a killed step leaves, and passes signals on;
# DVC's path locks trust process ids, which repeat when nothing else is process 1.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 graft \
 && install --directory --owner graft --group graft /checkouts /leases
COPY --from=environment --chown=root:root /opt/venv /opt/venv
COPY --from=environment --chown=root:root /opt/graft /opt/graft
COPY --chown=graft:graft . /work
USER 1000
WORKDIR /work
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREFECT_LOGGING_COLORS=false \
    PREFECT_SERVER_ANALYTICS_ENABLED=false
# The worker answers on its own port while it polls; a worker that has stopped polling is unhealthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["prefect", "worker", "start", "--pool", "gpu", "--limit", "1", "--with-healthcheck"]
