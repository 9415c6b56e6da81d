# Two stages: the first builds and installs the wheel; the second has only Python and the result. It
# runs as its own user, on a read-only root file system: it writes under /tmp and, with the embedded
# database, under /var/lib/evently.
#
# The base is named by the digest of its index of platforms, so that every build begins with the same
# bytes. For a newer one, `docker buildx imagetools inspect python:3.14-slim-bookworm` tells the digest.

FROM python:3.14.8-slim-bookworm@sha256:c8137f4c460908c8763f281c8f22c431eb5c538514ba9553fc3a89c06b7cfb88 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN ["python", "-m", "venv", "/opt/evently"]
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY clients/python/evently_client clients/python/evently_client
COPY evently evently
COPY actors actors
COPY routes routes
COPY db db
RUN ["python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "/wheels", "."]
RUN /opt/evently/bin/pip install --constraint constraints.txt "$(ls /wheels/*.whl)[otel]" \
 && /opt/evently/bin/pip uninstall --yes pip

FROM python:3.14.8-slim-bookworm@sha256:c8137f4c460908c8763f281c8f22c431eb5c538514ba9553fc3a89c06b7cfb88
LABEL org.opencontainers.image.title="Evently Event Service" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --home-dir /var/lib/evently \
            --shell /usr/sbin/nologin evently \
 && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/evently
COPY --from=build /opt/evently /opt/evently
ENV PATH=/opt/evently/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EVENTLY_HOST=0.0.0.0 \
    EVENTLY_DATA_DIR=/var/lib/evently
USER 10001:10001
WORKDIR /var/lib/evently
EXPOSE 8002
# Checks the process alone: an outage of the database is not a reason to restart it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('EVENTLY_PORT') or 8002), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# No shell in between, so SIGTERM reaches the supervisor, which drains its workers within 15 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["evently"]
CMD ["serve"]
