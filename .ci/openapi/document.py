"""Writes the OpenAPI document of this version: ``python .ci/openapi/document.py build/openapi.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from monitor.service import Service
from monitor.settings import Settings
from monitor.web.app import create_app

Path(sys.argv[1]).write_text(json.dumps(create_app(Service(Settings(_env_file=None))).openapi(), indent=1))
