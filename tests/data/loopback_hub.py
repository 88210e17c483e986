"""A hub on this computer: what huggingface_hub's client asks of the real one, and the faults that a test orders."""

import base64
import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

OWNER = "hf_owner"  # the token that may read and write everything
LICENSES = ("apache-2.0", "cc-by-nc-4.0")


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    files: dict = field(default_factory=dict)
    revision: str = hashlib.sha1(b"empty").hexdigest()
    modified: float = 0.0


class LoopbackHub:
    """Repositories in memory behind a socket.

    Attributes:
        repositories: ``ORG/NAME`` -> `Repository`.
        requests: (method, path) of all that was asked.
        cut_after: Weights' downloads break off after so many bytes, `cuts` times.
        corrupt: Weights come with one byte changed.
        refuse_commits: Names of repositories whose commits fail.
        refuse_weights: Uploads of weights fail, and are cut off if this is "cut".
        answer_as: Name -> name that the hub says it has, as for a repository that moved.
    """

    def __init__(self, endpoint):
        self.endpoint, self.port = endpoint, urlsplit(endpoint).port
        self.repositories, self.blobs, self.requests = {}, {}, []
        self.cut_after, self.cuts, self.corrupt = None, 0, False
        self.refuse_commits, self.refuse_weights, self.answer_as, self.commits = set(), "", {}, 0
        self.server = None

    def __enter__(self):
        self.on()
        return self

    def __exit__(self, *_):
        self.off()

    def on(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def off(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def put(self, name, files, private=False, modified=None):
        """What a commit of `files` (path -> bytes) does."""
        repository = self.repositories.setdefault(name, Repository(private=private))
        self.commits += 1
        repository.files = {**repository.files, **files}
        # The client keeps what it fetched by commit, from one test to the next.
        state = [name, self.commits, {path: sha256(content) for path, content in repository.files.items()}]
        repository.revision = hashlib.sha1(json.dumps(state).encode()).hexdigest()
        repository.modified = time.time() if modified is None else modified
        self.blobs.update({sha256(content): content for content in files.values()})

    def put_folder(self, name, folder, **options):
        self.put(name, {file.name: file.read_bytes() for file in folder.iterdir()}, **options)

    def asked_for(self):
        """The repositories and files that were asked for."""
        return {
            unquote(path).removeprefix("/api/models") for method, path in self.requests if method in ("GET", "HEAD")
        }


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: each answer closes its connection, so that a hub that is off leaves none behind."""

    hub: LoopbackHub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlsplit(self.path)
        self.hub.requests.append((self.command, url.path))
        parts = unquote(url.path).strip("/").split("/")
        if parts == ["api", "whoami-v2"]:
            self.answer({"name": "owner", "type": "user", "orgs": []} if self.token() == OWNER else 401)
        elif parts == ["api", "models"]:
            self.list_models({key: values[0] for key, values in parse_qs(url.query).items()})
        elif parts[:2] == ["api", "models"] and len(parts) in (4, 6):
            self.model_info("/".join(parts[2:4]))
        elif len(parts) == 5 and parts[2] == "resolve":
            self.resolve("/".join(parts[:2]), *parts[3:])
        elif parts[0] == "cdn":
            self.send_blob(self.hub.blobs[parts[1]])
        else:
            self.answer(404)

    def do_POST(self):
        url = urlsplit(self.path)
        self.hub.requests.append(("POST", url.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = unquote(url.path).strip("/").split("/")
        if parts == ["api", "validate-yaml"]:
            self.validate_yaml(json.loads(body)["content"])
        elif self.token() != OWNER:
            self.answer(401, {"X-Error-Message": "Invalid username or password."})
        elif parts == ["api", "repos", "create"]:
            self.create(json.loads(body))
        elif parts[:2] == ["api", "models"] and parts[4] == "preupload":
            files = json.loads(body)["files"]
            modes = [{**file, "uploadMode": mode(file["path"]), "shouldIgnore": False} for file in files]
            self.answer({"files": modes})
        elif parts[-3:] == ["lfs", "objects", "batch"]:
            self.answer({"transfer": "basic", "objects": [self.batch(one) for one in json.loads(body)["objects"]]})
        elif parts[:2] == ["api", "models"] and parts[4] == "commit":
            self.commit("/".join(parts[2:4]), [json.loads(line) for line in body.splitlines()])
        else:
            self.answer(404)

    def do_PUT(self):
        self.hub.requests.append(("PUT", self.path))
        if self.hub.refuse_weights == "cut":
            self.rfile.read(100_000)
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = self.rfile.read(int(self.headers["Content-Length"]))
        oid = self.path.rpartition("/")[2]
        if sha256(content) != oid or self.hub.refuse_weights:
            self.answer(400)
            return
        self.hub.blobs[oid] = content
        self.answer({})

    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def answer(self, content, headers=(), status=200):
        """A status without content, or what becomes JSON."""
        status = content if isinstance(content, int) else status
        body = b"{}" if isinstance(content, int) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def may_read(self, name):
        """The repository, or None once the refusal that the real hub gives was sent."""
        repository = self.hub.repositories.get(name)
        if repository is not None and (not repository.private or self.token() == OWNER):
            if repository.gated and self.token() != OWNER:
                self.answer(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
                return None
            return repository
        if self.token():
            self.answer(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        else:
            self.answer(401, {"X-Error-Message": "Invalid username or password."})
        return None

    def info(self, name, repository):
        files = [
            {
                "rfilename": path,
                "size": len(content),
                "blobId": hashlib.sha1(content).hexdigest(),
                **({"lfs": lfs(content)} if mode(path) == "lfs" else {}),
            }
            for path, content in repository.files.items()
        ]
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(repository.modified))
        return {
            "id": self.hub.answer_as.get(name, name), "modelId": name, "sha": repository.revision, "siblings": files,
            "private": repository.private, "lastModified": modified, "tags": [], "downloads": 0,
        }  # fmt: skip

    def list_models(self, query):
        self.answer(
            [
                self.info(name, repository)
                for name, repository in self.hub.repositories.items()
                if name.startswith(query["author"] + "/") and query.get("search", "") in name
                if not repository.private or self.token() == OWNER
            ]
        )

    def model_info(self, name):
        if (repository := self.may_read(name)) is not None:
            self.answer(self.info(name, repository))

    def resolve(self, name, revision, file):
        if (repository := self.may_read(name)) is None:
            return
        if revision not in ("main", repository.revision) or file not in repository.files:
            self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.revision})
            return
        content = repository.files[file]
        headers = {"X-Repo-Commit": repository.revision, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if mode(file) == "regular":
            self.send_blob(content, headers)
            return
        self.send_response(302)
        location = f"http://localhost:{self.hub.port}/cdn/{sha256(content)}"  # another host, as the real one's is
        linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content)), "Location": location}
        for key, value in {**headers, **linked, "Content-Length": "0"}.items():
            self.send_header(key, value)
        self.end_headers()

    def send_blob(self, content, headers=()):
        weights = self.path.startswith("/cdn")
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        if weights and self.hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if weights and self.hub.cut_after is not None and self.hub.cuts > 0:
            self.hub.cuts -= 1
            content = content[: self.hub.cut_after]
        self.wfile.write(content[start:])

    def validate_yaml(self, content):
        data = yaml.safe_load(content.split("---")[1])
        wrong = [] if data.get("license") in LICENSES else [{"message": f"license {data.get('license')} is unknown"}]
        self.answer({"errors": wrong, "warnings": []}, status=400 if wrong else 200)

    def create(self, asked):
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self.answer({"url": f"{self.hub.endpoint}/{name}"}, status=409)
            return
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private=private)
        self.answer({"url": f"{self.hub.endpoint}/{name}"})

    def batch(self, one):
        if one["oid"] in self.hub.blobs:
            return one
        return {**one, "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"}}}

    def commit(self, name, lines):
        if name in self.hub.refuse_commits:
            self.answer(403, {"X-Error-Message": "You may not write here"})
            return
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        self.hub.put(name, files)
        revision = self.hub.repositories[name].revision
        self.answer({"commitUrl": f"{self.hub.endpoint}/{name}/commit/{revision}", "commitOid": revision})


def mode(path):
    return "lfs" if path.endswith((".safetensors", ".png", ".bin")) else "regular"


def lfs(content):
    return {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
