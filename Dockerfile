# syntax=docker/dockerfile:1
# Two stages: packages are installed from the lock file with their hashes; the image that runs has no compiler and no pip
# cache, and its user may write to /var/lib/okpuja alone.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/okpuja/.venv
COPY requirements.lock requirements-celery.lock /tmp/
# "" for the default; CELERY=1: Celery and its broker, too (docs/scaling.md).
ARG CELERY=""
RUN /opt/okpuja/.venv/bin/pip install --require-hashes -r "/tmp/requirements${CELERY:+-celery}.lock"

FROM python:3.13-slim-bookworm
# Of `manage.py backup`: the client must be as new as the server.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client=15+* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/okpuja --create-home --shell /usr/sbin/nologin okpuja
COPY --from=build /opt/okpuja/.venv /opt/okpuja/.venv
COPY . /opt/okpuja
ENV PATH=/opt/okpuja/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DOTENV_FILE="" \
    UPLOADS_DIR=/var/lib/okpuja/uploads \
    BACKUP_DIR=/var/lib/okpuja/backups \
    EMAIL_URL=file:///var/lib/okpuja/mail
WORKDIR /opt/okpuja
USER 10001
VOLUME /var/lib/okpuja
EXPOSE 8000
# The process answers. Whether it is ready (database, migrations) is /readyz, for whoever sends it requests.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["gunicorn", "okpuja.wsgi", "--config", "python:okpuja.gunicorn_config", "--workers", "2", "--threads", "8", "--graceful-timeout", "45", "--bind", "0.0.0.0:8000"]
