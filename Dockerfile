FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
 && python -m venv /build && /build/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE CHANGELOG.md ./
COPY monitor monitor
COPY workers workers
COPY alembic alembic
# Built by the pinned packages alone, which are not in the image.
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /venv/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.11-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2
WORKDIR /app
USER 10001:10001
CMD ["hub-monitor", "--help"]
