# The exporter with all its sources, for use with a PostgreSQL server by URL; the embedded database is
# for one machine without containers and is left out.
#
# Runs as any non-root user, on a read-only root file system with a tmpfs at /tmp:
#   docker run --read-only --tmpfs /tmp -p 9836:9836 \
#     -v ./config.yaml:/etc/finops-exporter/config.yaml:ro finops-exporter

FROM python:3.12-slim AS builder

# The same as in the Makefile; a test holds them equal.
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}

# Bytecode is compiled here, since nothing can be written at run time.
ENV UV_PROJECT_ENVIRONMENT=/opt/venv \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_NO_PROGRESS=1

# Dependencies first: this layer changes only with the lock.
WORKDIR /build
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project \
    --extra aws --extra gcp --extra azure --extra focus

COPY README.md LICENSE ./
COPY exporter exporter
RUN uv sync --locked --no-dev --no-editable \
    --extra aws --extra gcp --extra azure --extra focus


FROM python:3.12-slim

LABEL org.opencontainers.image.title="finops-exporter" \
      org.opencontainers.image.description="Cloud billing and AI-token budgets as Prometheus metrics: exact, dated, and free to scrape." \
      org.opencontainers.image.licenses="Apache-2.0"

# A name for the number: libraries ask who they run as.
RUN groupadd --gid 65532 finops \
    && useradd --uid 65532 --gid finops --no-create-home --home-dir /tmp --shell /usr/sbin/nologin finops

COPY --from=builder /opt/venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

USER 65532:65532
EXPOSE 9836

# Straight to the process, whatever proxy the environment names. With TLS, or on another port, replace
# it (Kubernetes ignores it and has probes of its own).
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:9836/-/healthy', timeout=4)"]

ENTRYPOINT ["finops-exporter"]
CMD ["serve", "--config", "/etc/finops-exporter/config.yaml"]
