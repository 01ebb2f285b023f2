# Builds and runs Stonecrop. Mount one volume per disk at /data/1 to /data/16; docker-compose.yml has a cluster.
#   docker build -t stonecrop .
#   docker run -p 9000:9000 -v disk1:/data/1 -v disk2:/data/2 stonecrop /data/1 /data/2
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package server

FROM debian:bookworm-slim
# A new volume takes its owner from the directory that it is mounted on.
RUN useradd --system --uid 10001 stonecrop && mkdir -p $(seq -f /data/%g 16) && chown -R stonecrop /data
COPY --from=build /source/target/release/stonecrop /usr/local/bin/stonecrop
USER stonecrop
ENV STONECROP_ADDRESS=0.0.0.0:9000 STONECROP_ADMIN_ADDRESS=0.0.0.0:9001
EXPOSE 9000 9001 9002
STOPSIGNAL SIGTERM
ENTRYPOINT ["stonecrop", "server"]
CMD ["/data/1"]
