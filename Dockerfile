# Placet's image: what image.lock names, checked by hash, and the five packages; no compiler, no shell needed, not root.
FROM python:3.13-slim AS build
WORKDIR /build
COPY image.lock ./
RUN python -m venv /opt/placet \
 && /opt/placet/bin/pip install --no-cache-dir --require-hashes --no-deps -r image.lock
COPY pyproject.toml README.md LICENSE ./
COPY estate estate
COPY policies policies
COPY tools tools
COPY agents agents
COPY console console
COPY evals evals
RUN /opt/placet/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/placet/bin/pip uninstall --yes hatchling pathspec pluggy trove-classifiers

FROM python:3.13-slim
# A named volume takes the owner of the directory that it is mounted over.
RUN groupadd --gid 10001 placet \
 && useradd --uid 10001 --gid 10001 --home-dir /placet --no-create-home --shell /usr/sbin/nologin placet \
 && for role in gate executor-twin inventory agent console client nats postgres world; do \
      install -d -m 0700 -o placet -g placet "/placet/roles/$role"; \
    done \
 && install -d -m 0700 -o placet -g placet /placet/whole \
 && chown placet:placet /placet /placet/roles
COPY --from=build /opt/placet /opt/placet
ENV PATH=/opt/placet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NO_COLOR=1
USER 10001:10001
ENTRYPOINT ["placet"]
CMD ["--help"]
