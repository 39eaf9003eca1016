# cultivar-server with the web page inside it, and the cultivar command line. No libtorch.
#   docker build -f deploy/docker/server.Dockerfile -t cultivar-server .

FROM node:22.21.1-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95.0-bookworm AS build
# rust-toolchain.toml also asks for rustfmt and clippy, which an image build has no use for.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cultivar-server --bin cultivar \
    && mkdir /out && cp target/release/cultivar-server target/release/cultivar /out/

FROM debian:12.12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/cultivar --create-home cultivar \
    && install -d -o cultivar -g cultivar -m 0750 /run/cultivar
COPY --from=build /out/ /usr/local/bin/
COPY --chmod=755 deploy/docker/mint-worker-token.sh /usr/local/bin/mint-worker-token
USER cultivar
ENV CULTIVAR_HOME=/var/lib/cultivar CULTIVAR_LISTEN=0.0.0.0:7878
VOLUME /var/lib/cultivar
EXPOSE 7878
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:7878/readyz"]
CMD ["cultivar-server"]
