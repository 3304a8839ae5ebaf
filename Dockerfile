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
RUN useradd --uid 10001 --create-home tollkeeper \
    && install --directory --owner tollkeeper --group tollkeeper /srv/tollkeeper/data
WORKDIR /srv/tollkeeper
COPY --from=build /opt/tollkeeper /opt/tollkeeper
COPY --chmod=755 deploy/entrypoint.sh /usr/local/bin/entrypoint
COPY config.yaml .
USER tollkeeper
VOLUME /srv/tollkeeper/data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4000/health/live', timeout=2)"]
ENTRYPOINT ["entrypoint"]
CMD ["serve", "--host", "0.0.0.0", "--port", "4000"]
