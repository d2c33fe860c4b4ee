"""A stand-in of the Hugging Face Hub on this machine, for what `huggingface_hub` asks of it.

It holds repositories of models in memory: one branch, its commits, tags, no large files apart.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse

import yaml


class Hub(http.server.ThreadingHTTPServer):
    """The server, on a free port of the loopback address.

    Attributes:
        repositories: Content of each file by its path, by the repository's name: the newest commit.
        commits: The same by name and commit, of what was uploaded.
        tags: Commits by name and tag.
        asked: Methods and paths of all requests.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories, self.commits, self.tags, self.asked = {}, {}, {}, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name):
        found = hashlib.sha1(name.encode())
        for path, content in sorted(self.repositories[name].items()):
            found.update(path.encode() + b"\0" + content)
        return found.hexdigest()

    def at(self, name, revision):
        """Return the commit that a revision means, and its files."""
        newest, files = self.commit(name), self.repositories[name]
        commit = newest if revision == "main" else self.tags.get((name, revision), revision)
        if commit != newest and (name, commit) not in self.commits:
            raise RevisionNotFoundError(revision)
        return commit, files if commit == newest else self.commits[name, commit]


class RevisionNotFoundError(Exception):
    """There is no such branch, tag or commit."""


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep quiet."""

    def do_GET(self):
        self._answer(self._get)

    def do_HEAD(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def _answer(self, method):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.asked.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            content, headers = method(path.strip("/").split("/"), body)
            status = 200
        except KeyError:
            content, headers, status = b"{}", {"X-Error-Code": "RepoNotFound"}, 404
        except RevisionNotFoundError:
            content, headers, status = b"{}", {"X-Error-Code": "RevisionNotFound"}, 404
        except ValueError as error:
            content, headers, status = json.dumps({"error": str(error)}).encode(), {}, 400
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _get(self, parts, body):
        if parts[:2] == ["api", "models"]:
            name, about = "/".join(parts[2:4]), parts[4]
            commit, files = self.server.at(name, parts[5])
            if about == "revision":
                siblings = [{"rfilename": path} for path in files]
                return as_json({"id": name, "sha": commit, "siblings": siblings})
            if about == "tree":
                return as_json(
                    [
                        {"type": "file", "path": path, "size": len(files[path]), "oid": oid(path)}
                        for path in files
                    ]
                )
        if parts[2:3] == ["resolve"]:
            name, path = "/".join(parts[:2]), "/".join(parts[4:])
            commit, files = self.server.at(name, parts[3])
            digest = hashlib.sha256(files[path]).hexdigest()
            return files[path], {"ETag": f'"{digest}"', "X-Repo-Commit": commit}
        raise KeyError(self.path)

    def _post(self, parts, body):
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            owner = asked.get("organization") or "me"
            name = f"{owner}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            return as_json({"url": f"{self.server.address}/{name}", "id": name})
        if parts == ["api", "validate-yaml"]:
            check_card(json.loads(body)["content"])
            return as_json({"errors": [], "warnings": []})
        name = "/".join(parts[2:4])
        files = self.server.repositories[name]
        if parts[4] == "preupload":
            as_text = {"uploadMode": "regular", "shouldIgnore": False}
            asked = json.loads(body)["files"]
            return as_json({"files": [{"path": each["path"], **as_text} for each in asked]})
        if parts[4] == "commit":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    files[value["path"]] = base64.b64decode(value["content"])
            commit = self.server.commit(name)
            self.server.commits[name, commit] = dict(files)
            address = f"{self.server.address}/{name}/commit/{commit}"
            return as_json({"commitUrl": address, "commitOid": commit})
        raise KeyError(self.path)


def as_json(value):
    return json.dumps(value).encode(), {"Content-Type": "application/json"}


def oid(text):
    return hashlib.sha1(text.encode()).hexdigest()


def check_card(text):
    """Raise `ValueError` unless a card begins with YAML between two lines of `---`."""
    empty, front, _ = text.split("---\n", 2)
    # That of Keras begins with an empty line.
    if empty.strip() or not isinstance(yaml.safe_load(front), dict):
        raise ValueError("no front matter")


@contextlib.contextmanager
def serving(monkeypatch, folder):
    """Run a `Hub` that `huggingface_hub` takes for the real one; what it keeps goes to `folder`."""
    from huggingface_hub import constants

    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "kept"))
        # Nobody's own token goes to it.
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
