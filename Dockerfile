FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/tollkeeper
COPY requirements.lock .
RUN /opt/tollkeeper/bin/pip install --require-hashes --requirement requirements.lock
COPY . .
RUN /opt/tollkeeper/bin/pip install --no-deps --no-build-isolation .


FROM python:3.13-slim
ENV PATH=/opt/tollkeeper/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Group 0 may do what the owner may: some platforms run an image as any user of that group.
RUN useradd --uid 10001 --gid 0 --home-dir /srv/tollkeeper tollkeeper \
    && install --directory --owner tollkeeper --group 0 --mode 770 /srv/tollkeeper/data
ENV HOME=/srv/tollkeeper
WORKDIR /srv/tollkeeper
COPY --from=build /opt/tollkeeper /opt/tollkeeper
COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/entrypoint
# config.yaml is mounted here; without one the built-in settings stand.
USER 10001:0
VOLUME /srv/tollkeeper/data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4000/health/live', timeout=2)"]
ENTRYPOINT ["entrypoint"]
CMD ["serve", "--host", "0.0.0.0", "--port", "4000"]
