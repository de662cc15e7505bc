# Postern's image. No Node, no compiler and no pip come into it: the CLI is one native program, and every Python package a wheel.
#
#   docker build -t postern .
#
# Behind a proxy with a certificate authority of its own, or with an index of your own (neither stays in the image):
#   docker build --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt --secret id=pip,src=$HOME/.config/pip/pip.conf .

# Any Debian 12. For a build that stays the same pin a digest: --build-arg BASE=debian@sha256:...
ARG BASE=docker.io/library/debian:12-slim

# ---- the CLI, by the version and the checksum in package-lock.json
FROM ${BASE} AS cli
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package-lock.json ./
COPY scripts/fetch_cli.py scripts/
ARG NPM_REGISTRY=https://registry.npmjs.org
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi && \
    python3 scripts/fetch_cli.py /out && \
    HOME=/tmp DISABLE_AUTOUPDATER=1 /out/claude --version

# ---- the Python packages, by their checksums; wheels only
FROM ${BASE} AS python
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip python3-venv && \
    rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/venv
WORKDIR /build
COPY requirements.txt ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi && \
    python3 -m pip --python /opt/venv/bin/python install --disable-pip-version-check --no-cache-dir \
        --only-binary :all: --require-hashes -r requirements.txt

FROM python AS python-demo
COPY requirements-sandbox.txt ./
RUN --mount=type=secret,id=ca,target=/run/secrets/ca --mount=type=secret,id=pip,target=/etc/pip.conf \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi && \
    python3 -m pip --python /opt/venv/bin/python install --disable-pip-version-check --no-cache-dir \
        --only-binary :all: --require-hashes -r requirements-sandbox.txt

# ---- what both images share
FROM ${BASE} AS runtime
# No program may lend its owner's rights; the rest of the line is the system that Postern needs.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 tini && \
    rm -rf /var/lib/apt/lists/* && \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +
# A fixed number, so that volumes keep their owner from image to image, and so that "not root" can be checked.
RUN groupadd --system --gid 10001 postern && \
    useradd --system --uid 10001 --gid postern --no-create-home --home-dir /tmp --shell /usr/sbin/nologin postern && \
    install -d -o postern -g postern -m 0700 /var/lib/claude-auth /var/lib/gateway-data
COPY --from=cli /out/claude /usr/local/bin/
COPY --from=cli /out/LICENSE.md /usr/local/share/doc/claude/
WORKDIR /app
COPY LICENSE wsgi.py ./
COPY config config
COPY app app
COPY scripts/healthcheck.py scripts/
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_BIND=0.0.0.0 \
    GATEWAY_DATA_DIR=/var/lib/gateway-data \
    GATEWAY_CLAUDE_CONFIG_DIR=/var/lib/claude-auth \
    CLAUDE_CONFIG_DIR=/var/lib/claude-auth \
    DISABLE_AUTOUPDATER=1
# The last two are for `claude auth login` by hand in the container; the gateway builds its processes' environment itself.
# There is no VOLUME: a container without the two named volumes shall show that its login will not last, and not
# hide that behind volumes without a name.
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "scripts/healthcheck.py"]
ENTRYPOINT ["/usr/bin/tini", "--"]
LABEL org.opencontainers.image.title="Postern" \
      org.opencontainers.image.description="An OpenAI-style gateway to the official claude CLI" \
      org.opencontainers.image.licenses="Apache-2.0"

# ---- the demo: the gateway, the CLI and a stand-in for Anthropic in one container
FROM runtime AS demo
COPY --from=python-demo /opt/venv /opt/venv
COPY sandbox sandbox
COPY scripts/demo.py scripts/
RUN chmod -R a+rX,go-w . && python -m compileall -q --invalidation-mode unchecked-hash app config sandbox scripts wsgi.py && \
    install -d -o postern -g postern -m 0700 var
ENV BIND=0.0.0.0 SANDBOX_PORT=4010
EXPOSE 4010
USER 10001:10001
CMD ["python", "scripts/demo.py"]

# ---- the gateway: the target that is built when none is named
FROM runtime AS gateway
COPY --from=python /opt/venv /opt/venv
RUN chmod -R a+rX,go-w . && python -m compileall -q --invalidation-mode unchecked-hash app config scripts wsgi.py
USER 10001:10001
CMD ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
