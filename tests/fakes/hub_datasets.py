"""The part of the Hub that data sets are uploaded to, as huggingface_hub asks it: create, preupload, LFS, commit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

LFS_JSON = "application/vnd.git-lfs+json"
LFS_ENDINGS = (".parquet", ".arrow", ".zip", ".bin")
"""What the .gitattributes of a new data set track."""
MAX_REGULAR_BYTES = 10 << 20


@dataclass
class DatasetRepo:
    """A repository: its files now (LFS files by their oid), and the summaries of its commits, newest last."""

    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=lambda: ["initial commit"])

    @property
    def head(self) -> str:
        return hashlib.sha1(repr((self.commits, sorted(self.files))).encode()).hexdigest()


class Refusal(Exception):  # noqa: N818
    """An answer that is an error: status, the Hub's code, message."""


class FakeDatasetHub:
    """A Hub with one user; ``repos`` by id, ``objects`` of the LFS store by oid, ``asked`` what was asked."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.repos: dict[str, DatasetRepo] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.uploaded: list[str] = []
        self.fail_commits = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Any:
        """The JSON of an answer; raises Refusal."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        with self._lock:
            self.asked.append(f"{method} {path}")
            if path.startswith("/lfs-store/"):  # a presigned URL, which takes no token
                return self._stored(method, path, body)
            if headers.get("authorization") != f"Bearer {self.token}":
                raise Refusal(401, "", "Invalid username or password.")
            for known, pattern, answer in self._routes():
                found = re.fullmatch(pattern, path)
                if found and method == known:
                    return answer(*found.groups(), headers=headers, body=body, query=query)
        raise Refusal(404, "", f"no route {method} {path}")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        repo = r"([\w.-]+/[\w.-]+)"
        return [
            ("POST", "/api/repos/create", self._create),
            ("POST", "/api/validate-yaml", self._validate),
            ("GET", f"/api/datasets/{repo}(?:/revision/main)?", self._info),
            ("GET", f"/api/datasets/{repo}/tree/main", self._tree),
            ("POST", f"/api/datasets/{repo}/preupload/main", self._preupload),
            ("POST", rf"/datasets/{repo}\.git/info/lfs/objects/batch", self._batch),
            ("POST", rf"/datasets/{repo}\.git/info/lfs/verify", self._verify),
            ("POST", f"/api/datasets/{repo}/commit/main", self._commit),
        ]

    def _repo(self, name: str) -> DatasetRepo:
        if name not in self.repos:
            raise Refusal(404, "RepoNotFound", "Repository not found")
        return self.repos[name]

    def _create(self, *, body: bytes, **_: Any) -> Any:
        wanted = json.loads(body)
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        if wanted.get("type") != "dataset":
            raise Refusal(400, "", "a data set expected")
        if wanted.get("organization") not in {None, "me", "lab"}:
            raise Refusal(403, "", f"You don't have the rights to create a dataset under the namespace {name}")
        if name in self.repos:
            text = {"error": "You already created this dataset repo", "url": f"{self.endpoint}/datasets/{name}"}
            raise Refusal(409, "", json.dumps(text))
        self.repos[name] = DatasetRepo({".gitattributes": b""})
        return {"url": f"{self.endpoint}/datasets/{name}", "name": name, "id": "0" * 24}

    def _validate(self, *, body: bytes, **_: Any) -> Any:
        text = json.loads(body)["content"]
        found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
        front = yaml.safe_load(found[1]) if found else None
        errors = [] if isinstance(front, dict) else [{"message": "empty or missing yaml metadata in repo card"}]
        configs = (front or {}).get("configs", [])
        if any(set(one) - {"config_name", "data_files", "default"} or "config_name" not in one for one in configs):
            errors.append({"message": '"configs" must be an array of named configurations'})
        if errors:
            raise Refusal(400, "", json.dumps({"errors": errors, "warnings": []}))
        return {"errors": [], "warnings": []}

    def _info(self, name: str, **_: Any) -> Any:
        repo = self._repo(name)
        return {"_id": "0" * 24, "id": name, "sha": repo.head, "private": False, "gated": False, "disabled": False,
                "tags": [], "downloads": 0, "likes": 0,
                "siblings": [{"rfilename": path} for path in repo.files]}  # fmt: skip

    def _tree(self, name: str, *, query: dict[str, list[str]], **_: Any) -> Any:
        repo = self._repo(name)
        assert query["recursive"][0].lower() in {"true", "1"}
        return [
            {"type": "file", "path": path, "size": len(content), "oid": _oid(content, path in repo.large)}
            for path, content in sorted(repo.files.items())
        ]

    def _preupload(self, name: str, *, body: bytes, **_: Any) -> Any:
        repo, wanted = self._repo(name), json.loads(body)["files"]
        if not 0 < len(wanted) <= 256:
            raise Refusal(400, "", "1 to 256 files expected")
        answers = []
        for one in wanted:
            assert set(one) == {"path", "sample", "size"}
            large = one["path"].endswith(LFS_ENDINGS) or one["size"] > MAX_REGULAR_BYTES
            found = {"path": one["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if one["path"] in repo.files:
                found["oid"] = _oid(repo.files[one["path"]], one["path"] in repo.large)
            answers.append(found)
        return {"files": answers}

    def _batch(self, name: str, *, headers: Any, body: bytes, **_: Any) -> Any:
        self._repo(name)
        wanted = json.loads(body)
        if LFS_JSON not in headers.get("accept", "") or wanted["operation"] != "upload":
            raise Refusal(406, "", "an LFS client expected")
        objects = []
        for one in wanted["objects"]:
            answer = {"oid": one["oid"], "size": one["size"], "authenticated": True}
            if one["oid"] not in self.objects:
                verify = {"href": f"{self.endpoint}/datasets/{name}.git/info/lfs/verify"}
                upload = {"href": f"{self.endpoint}/lfs-store/{one['oid']}?size={one['size']}"}
                answer["actions"] = {"upload": upload, "verify": verify}
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def _stored(self, method: str, path: str, body: bytes) -> Any:
        oid = path.rpartition("/")[2]
        if method != "PUT" or hashlib.sha256(body).hexdigest() != oid:
            raise Refusal(403, "", "SignatureDoesNotMatch")
        self.objects[oid] = body
        self.uploaded.append(oid)
        return {}

    def _verify(self, _name: str, *, body: bytes, **_: Any) -> Any:
        wanted = json.loads(body)
        if len(self.objects.get(wanted["oid"], b"")) != wanted["size"]:
            raise Refusal(404, "", "Object does not exist")
        return {}

    def _commit(self, name: str, *, headers: Any, body: bytes, **_: Any) -> Any:
        repo = self._repo(name)
        if headers.get("content-type") != "application/x-ndjson":
            raise Refusal(400, "", "application/x-ndjson expected")
        if self.fail_commits:
            self.fail_commits -= 1
            raise Refusal(500, "", "Internal Error")
        first, *rest = [json.loads(line) for line in body.splitlines()]
        if first["key"] != "header" or not first["value"]["summary"] or not rest:
            raise Refusal(400, "", "a header with a summary expected, and operations")
        if first["value"].get("parentCommit", repo.head) != repo.head:
            raise Refusal(412, "", "A commit has happened since. Please refresh and try again.")
        files, large = dict(repo.files), set(repo.large)
        for one in rest:
            self._apply(one["key"], one["value"], files, large)
        repo.files, repo.large = files, large
        repo.commits.append(first["value"]["summary"])
        return {
            "success": True,
            "commitOid": repo.head,
            "commitUrl": f"{self.endpoint}/datasets/{name}/commit/{repo.head}",
        }

    def _apply(self, key: str, value: dict[str, Any], files: dict[str, bytes], large: set[str]) -> None:
        path = value["path"]
        if key == "file" and value["encoding"] == "base64":
            if path.endswith(LFS_ENDINGS):
                raise Refusal(400, "", "Your push was rejected because it contains binary files: use LFS")
            files[path] = base64.b64decode(value["content"])
            large.discard(path)
        elif key == "lfsFile" and value["algo"] == "sha256":
            if len(self.objects.get(value["oid"], b"")) != value["size"]:
                raise Refusal(400, "", "Your push was rejected: an LFS pointer pointed to a file that does not exist.")
            files[path] = self.objects[value["oid"]]
            large.add(path)
        elif key == "deletedFile":
            if path not in files:
                raise Refusal(404, "EntryNotFound", "A file with this name doesn't exist")
            del files[path]
        else:
            raise Refusal(400, "", f"unknown operation {key}")


def _oid(content: bytes, large: bool) -> str:
    """Of an LFS file its SHA-256, of another one that of git's blob."""
    if large:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _handler(hub: FakeDatasetHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(headers.get("content-length", 0)))
            more: dict[str, str] = {}
            try:
                status, content = 200, hub.answer(self.command, self.path, headers, body)
            except Refusal as refusal:
                status, code, message = refusal.args
                content = json.loads(message) if message.startswith("{") else {"error": message}
                more = {"X-Error-Message": message[:200]} | ({"X-Error-Code": code} if code else {})
            text = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Handler
