# Builds and runs Stonecrop. Mount one volume per disk below /data:
#   docker build -t stonecrop .
#   docker run -p 9000:9000 -v disk1:/data/1 -v disk2:/data/2 stonecrop /data/1 /data/2
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package server

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 stonecrop && mkdir /data && chown stonecrop /data
COPY --from=build /source/target/release/stonecrop /usr/local/bin/stonecrop
USER stonecrop
ENV STONECROP_ADDRESS=0.0.0.0:9000 STONECROP_ADMIN_ADDRESS=0.0.0.0:9001
EXPOSE 9000 9001
STOPSIGNAL SIGTERM
ENTRYPOINT ["stonecrop", "server"]
CMD ["/data"]
