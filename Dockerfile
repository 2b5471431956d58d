# docker build --tag stratacam .                          for NVIDIA cards, and without: about 6.5 GB
# docker build --tag stratacam --build-arg DEVICE=cpu .   without: about 2.4 GB

FROM python:3.11-slim-bookworm AS wheel
ENV PIP_CONSTRAINT=/source/constraints.txt
WORKDIR /source
COPY . .
RUN python -m pip --no-cache-dir wheel --no-deps --wheel-dir /wheel .

FROM python:3.11-slim-bookworm
ARG DEVICE=cuda
LABEL org.opencontainers.image.title="stratacam" \
      org.opencontainers.image.description="Honest classifiers of brain MRI, and maps of what every layer looked at" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN --mount=type=bind,source=containers,target=/containers \
    sh /containers/install.sh "$DEVICE"
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    python -m pip --no-cache-dir install --root-user-action ignore --no-deps /wheel/*.whl \
 && python -m pip check
# Any user can write to HOME, so that `--user "$(id -u):$(id -g)"` works.
ENV HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /data
USER 1000:1000
ENTRYPOINT ["stratacam"]
CMD ["--help"]
