# The image of each service, and of its worker: docker build --build-arg SERVICE=order_service --build-arg PORT=8000 .
ARG BASE=python:3.12.12-slim-bookworm
FROM ${BASE}

ENV PYTHONUNBUFFERED=1
WORKDIR /app
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app && install -d -o app -m 700 /data

COPY requirements-image.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements-image.txt

# From here on each service has layers of its own.
ARG SERVICE
ARG PORT=8000
RUN : "${SERVICE:?is the name of a service's folder}"
COPY servicekit servicekit
COPY orderpay orderpay
COPY ${SERVICE} ${SERVICE}

# A number, so that Kubernetes can see that it is not root.
USER 10001
# Where SQLite's file is, unless DB_ENGINE or DB_NAME says otherwise.
ENV DATA_DIR=/data
# Each container has a /tmp of its own, in which its processes count together.
ENV PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
VOLUME /data

# Only inside its own network namespace: what is published, and on which address, is decided outside.
ENV SERVICE=${SERVICE} SERVER_HOST=0.0.0.0 SERVER_PORT=${PORT} HEALTH_PORT=9000
EXPOSE ${PORT}
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=5 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9000/health', timeout=8)"]
CMD ["sh", "-c", "exec python -m servicekit.server \"$SERVICE\""]
