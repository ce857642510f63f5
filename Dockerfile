FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY willcall willcall
COPY tasks tasks
COPY schedules schedules
COPY workers workers
# Wheels only, because the image has no compiler.
RUN python -m venv /opt/willcall \
 && /opt/willcall/bin/pip install --no-cache-dir --only-binary=:all: -c constraints.txt '.[s3,codings]'

FROM python:3.13-slim
# A number, so that Kubernetes can check that it is not root.
RUN useradd --system --uid 999 --create-home --home-dir /var/lib/willcall willcall
COPY --from=build /opt/willcall /opt/willcall
ENV PATH=/opt/willcall/bin:$PATH PYTHONUNBUFFERED=1
USER 999
WORKDIR /var/lib/willcall
RUN mkdir -p var/documents
ENTRYPOINT ["willcall"]
CMD ["worker"]
