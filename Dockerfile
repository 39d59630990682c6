# One image for all of the monitor's own services: workers, topics, dashboards, the demo's emitter.
FROM python:3.11.13-slim-bookworm AS packages
WORKDIR /source
# What it needs to run, and no tools to test it.
COPY requirements-run.lock .
RUN python -m venv /circulation && \
    /circulation/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-run.lock
COPY . .
RUN /circulation/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="circulation" org.opencontainers.image.licenses="Apache-2.0"
# A number, so that whoever runs the image can see that it is not root. /views takes the dashboards.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin circulation && \
    install -d -o 10001 -g 10001 /views /data
COPY --from=packages /circulation /circulation
ENV PATH=/circulation/bin:$PATH PYTHONUNBUFFERED=1 CIRCULATION_WEB=0.0.0.0:6066
USER 10001:10001
WORKDIR /data
EXPOSE 6066
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:6066/health', timeout=4)"]
ENTRYPOINT ["circulation"]
CMD ["worker"]
