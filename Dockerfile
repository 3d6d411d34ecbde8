# syntax=docker/dockerfile:1

# The Python that the tests run on. In production, pin it by its digest:
#   docker build --build-arg PYTHON=python:3.11-slim-bookworm@sha256:… .
ARG PYTHON=python:3.11-slim-bookworm


FROM ${PYTHON} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
# What changes least comes first. Each download's hash is checked; nothing is compiled.
COPY requirements/base.txt requirements/build.txt requirements/
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install \
        --require-hashes --only-binary :all: -r requirements/build.txt \
    && python -m venv --without-pip /opt/emojifier \
    && python -m pip --python /opt/emojifier/bin/python install \
        --require-hashes --only-binary :all: -r requirements/base.txt
COPY pyproject.toml README.md LICENSE ./
COPY emojifier_bot emojifier_bot
COPY emojis emojis
COPY models models
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && python -m pip --python /opt/emojifier/bin/python install \
        --no-deps --no-index /dist/*.whl


FROM ${PYTHON}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Emojifier Bot" \
      org.opencontainers.image.description="Puts an emoji over every face in a picture." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# No tool that installs or builds remains; only the state folder is writable.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore \
        pip setuptools wheel \
    && groupadd --gid 10001 emojifier \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin emojifier \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/emojifier
COPY --from=build /opt/emojifier /opt/emojifier
ENV PATH=/opt/emojifier/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    METRICS_HOST=0.0.0.0 \
    DATABASE_URL=sqlite:////var/lib/emojifier/emojifier-bot.db
WORKDIR /var/lib/emojifier
VOLUME /var/lib/emojifier
USER 10001:10001
# Slack and people; metrics, for your own machines.
EXPOSE 3000
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["emojifier-bot"]
CMD ["serve"]
