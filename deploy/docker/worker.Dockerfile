# cultivar-worker with libtorch 2.11.0 from the PyPI wheel.
#   docker build -f deploy/docker/worker.Dockerfile -t cultivar-worker .
#   docker build -f deploy/docker/worker.Dockerfile -t cultivar-worker-gpu --build-arg TORCH=full .

FROM python:3.12.12-slim-bookworm AS torch
# lean: what a CPU needs of the wheel. full: all CUDA libraries too.
ARG TORCH=lean
RUN case "$TORCH" in \
      lean) set -- --no-deps torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85 ;; \
      full) set -- torch==2.11.0 ;; \
      *) echo "TORCH is '$TORCH': want lean or full" >&2; exit 1 ;; \
    esac \
    && pip install --no-cache-dir --target /opt/torch "$@"

FROM rust:1.95.0-bookworm AS build
ENV RUSTUP_TOOLCHAIN=1.95.0 LIBTORCH=/opt/torch/torch
COPY --from=torch /opt/torch /opt/torch
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cultivar-worker \
    && mkdir /out && cp target/release/cultivar-worker /out/

FROM debian:12.12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/cultivar --create-home cultivar
# The binary looks for libtorch where it was built against it.
COPY --from=torch /opt/torch /opt/torch
COPY --from=build /out/ /usr/local/bin/
COPY --chmod=755 deploy/docker/worker-entrypoint.sh /usr/local/bin/worker-entrypoint
USER cultivar
ENV CULTIVAR_HOME=/var/lib/cultivar
VOLUME /var/lib/cultivar
# SIGTERM: checkpoint, hand the leases back, go.
STOPSIGNAL SIGTERM
ENTRYPOINT ["worker-entrypoint"]
CMD ["run"]
