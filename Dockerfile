# `docker build .` makes the image for production. `--target try` also has the simulator, the demo and a Redis server.
# A package index of your own: --secret id=pip,src=/etc/pip.conf. It does not get into the image.
ARG BASE=python:3.13-slim

FROM ${BASE} AS dependencies
WORKDIR /build
# A change of the code changes nothing up to the stage `wheel`. This pip, the only one, stays behind.
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/willcall
COPY pyproject.toml constraints.txt ./
COPY .ci/requirements .ci/
# Wheels only, because there is no compiler.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 .ci/requirements s3 codings > requirements.txt \
 && tools/bin/pip --python /opt/willcall/bin/python install --no-cache-dir --only-binary=:all: \
        -c constraints.txt -r requirements.txt

FROM dependencies AS try-dependencies
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 .ci/requirements dev > requirements.txt \
 && tools/bin/pip --python /opt/willcall/bin/python install --no-cache-dir --only-binary=:all: \
        -c constraints.txt -r requirements.txt

FROM dependencies AS wheel
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 .ci/requirements build-system > requirements.txt \
 && tools/bin/pip install --no-cache-dir --only-binary=:all: -r requirements.txt
COPY README.md LICENSE ./
COPY docs/ops/runbook.md docs/ops/
COPY willcall willcall
COPY tasks tasks
COPY schedules schedules
COPY workers workers
RUN tools/bin/pip wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir dist . \
 && tools/bin/pip --python /opt/willcall/bin/python install --no-deps --no-index --no-cache-dir --root /code dist/*.whl

FROM ${BASE} AS runtime
# A number, so that Kubernetes can check that it is not root. OpenShift chooses another number, in the group of root.
RUN useradd --system --uid 999 --gid 0 --no-create-home --home-dir /var/lib/willcall willcall \
 && install --directory --owner 999 --group 0 --mode 0770 /var/lib/willcall
ENV PATH=/opt/willcall/bin:$PATH HOME=/var/lib/willcall PYTHONUNBUFFERED=1
WORKDIR /var/lib/willcall
USER 999
ENTRYPOINT ["willcall"]
CMD ["worker"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["willcall", "doctor", "--self", "auto"]
LABEL org.opencontainers.image.title="Willcall" \
      org.opencontainers.image.description="Gets the tickets of orders already bought at ticketing providers" \
      org.opencontainers.image.source="https://github.com/willcall/willcall" \
      org.opencontainers.image.licenses="MIT"

FROM runtime AS try
COPY --from=try-dependencies /opt/willcall /opt/willcall
COPY --from=wheel /code /

FROM runtime
COPY --from=dependencies /opt/willcall /opt/willcall
COPY --from=wheel /code /
# docker build --build-arg VERSION=... --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
