# One image for every role and command: `api`, `worker`, `migrate up` (K8S-1). A build argument, so that a mirror can serve
# the base; the digest pins it. No `# syntax` line: it would fetch the build front end from a registry.
ARG NODE_IMAGE=node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe

FROM ${NODE_IMAGE} AS manifest
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY tools tools

FROM manifest AS dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts

FROM manifest AS build
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY scripts scripts
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS service
WORKDIR /app
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.compile-cache
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY LICENSE package.json ./
COPY docs/database/verify_db_state.sql docs/database/
COPY migrations migrations
# Node keeps one compile cache for each uid, so the one that will read it writes it. At run time it is only read.
RUN install --directory --owner=10001 --group=10001 "$NODE_COMPILE_CACHE"
USER 10001:10001
RUN --mount=type=bind,from=build,source=/app/scripts,target=/app/scripts node scripts/warm-compile-cache.ts
EXPOSE 3000 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.DRAGONFLY_METRICS_PORT || 9090}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["api"]

# `docker build --target operator`: the service with pg_dump and pg_restore, for `backup` and `restore`. An archive of a newer
# pg_dump may not restore into an older server, so they are of the major version of the server, from PostgreSQL's own repository,
# whose key Debian ships.
FROM service AS operator
ARG POSTGRES_MAJOR=18
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
 && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
 && apt-get install --yes --no-install-recommends "postgresql-client-${POSTGRES_MAJOR}" \
 && rm -rf /var/lib/apt/lists/*
USER 10001:10001
ARG GIT_SHA=unknown
ENV DRAGONFLY_GIT_SHA=${GIT_SHA}
LABEL org.opencontainers.image.title="dragonfly-operator" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${GIT_SHA}"

# What is built when nothing is asked for.
FROM service
# Last, because it differs in every commit and would empty the build cache of all that follows.
ARG GIT_SHA=unknown
ENV DRAGONFLY_GIT_SHA=${GIT_SHA}
LABEL org.opencontainers.image.title="dragonfly" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${GIT_SHA}"
