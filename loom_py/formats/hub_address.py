"""Addresses of models on the Hugging Face hub, as people type and copy them. The page and the command line ask here.

    owner/name   owner/name@revision   owner/name/file.gguf   owner/name@revision/file.gguf   owner/name:Q4_K_M
    https://huggingface.co/owner/name/resolve/main/file.gguf?download=true   hf.co/owner/name   hf://owner/name

Query parameters, fragments, escapes (`%20`, `refs%2Fpr%2F1`), trailing slashes, quotes and user names are understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from ..errors import InputError

EXAMPLE = "HuggingFaceTB/SmolLM2-135M-Instruct"
_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")
_WEIGHTS = (".gguf", ".safetensors")
_AT = ("resolve", "blob", "raw", "tree", "blame", "commit", "commits", "revision")
_ASIDE = ("discussions", "settings", "edit", "upload", "new", "community", "pulls")
_OTHER = {
    "datasets": "a data set",
    "spaces": "a space",
    "collections": "a collection",
    "papers": "a paper",
    "docs": "documentation",
    "blog": "an article",
    "models": "a list of models",
    "organizations": "an organization",
    "buckets": "a bucket",
}
_COMMAND = re.compile(
    r"^(?:ollama\s+(?:run|pull)|git\s+clone|hf\s+download|huggingface-cli\s+download)\s+", re.IGNORECASE
)
_ADDRESS = re.compile(r"^(?:(https?|hf|git|ssh):)?//+(?:[^/@]*@)?([^/:?#]*)(?::\d+)?/?(.*)$", re.IGNORECASE | re.DOTALL)
_BARE_HOST = re.compile(
    r"^(?:[^/@\s]*@)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:co|com|cn|org|net|io|ai))[/:](.*)$", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[\w][\w./+-]{0,199}", re.ASCII)


@dataclass(frozen=True)
class HubAddress:
    """What an address names.

    - `repository`: `owner/name`.
    - `revision`: a branch, tag, commit, or `refs/pr/1`; empty for the default.
    - `file`: the path of a `.gguf` or `.safetensors` file, or empty.
    - `tag`: a word in the name of the `.gguf`, such as `Q4_K_M`, or empty.
    - `folder`: the folder of the repository that was named, or empty.
    """

    repository: str
    revision: str = ""
    file: str = ""
    tag: str = ""
    folder: str = ""


def parse_hub_address(text: str) -> HubAddress:
    """Raises `InputError` for what names no model on the hub."""
    path, query = _path_on_hub(text)
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["api", "models"]:
        parts = parts[2:]
    kind = parts[0].lower() if parts else ""
    if kind in _OTHER and (kind != "models" or len(parts) < 3):
        remedy = f"Give the address of a model: owner/name, for example {EXAMPLE}."
        raise InputError(f"is the address of {_OTHER[kind]}, not of a model", where=_shown(text), remedy=remedy)
    if kind == "models":
        parts = parts[1:]
    if len(parts) < 2:
        raise _unnamed(text)
    owner, name, revision, tag = unquote(parts[0]), *_split_name(parts[1])
    rest = parts[2:]
    if revision:
        revision, rest = _revision([revision, *rest])
    elif rest and rest[0] in _AT and len(rest) > 1:
        revision, rest = _revision(rest[1:])
    elif rest and rest[0] in (*_AT, *_ASIDE):
        rest = []
    if tag and not rest and tag.lower().endswith(_WEIGHTS):
        rest, tag = [tag], ""
    inside = [unquote(part) for part in rest]
    if not inside and (shown := parse_qs(query).get("show_file_info")):
        inside = shown[0].split("/")
    if ":" in "".join(inside[-1:]) and not tag:
        inside[-1], _, tag = inside[-1].rpartition(":")
    path = "/".join(inside)
    wrong = not _NAME.fullmatch(owner) or not _NAME.fullmatch(name) or (revision and not _REVISION.fullmatch(revision))
    if wrong or ".." in (*inside, *revision.split("/")) or "\\" in path:
        raise _unnamed(text)
    file = path if path.lower().endswith(_WEIGHTS) else ""
    folder = path.rpartition("/")[0] if file or "." in "".join(inside[-1:]) else path
    tag = "" if tag.lower() == "latest" else tag
    return HubAddress(f"{owner}/{name}", revision, file, tag, folder)


def _path_on_hub(text: str) -> tuple[str, str]:
    """The path of an address on the hub, and its query; `InputError` for another host."""
    plain = _COMMAND.sub("", text.strip().strip("\"'`<>").strip())
    plain = plain.split()[0] if _COMMAND.match(text.strip()) and plain else plain
    match = _ADDRESS.match(plain)
    if match and (match[1] or "").lower() == "hf":
        host, path = "hf.co", f"{match[2]}/{match[3]}"
    elif match:
        host, path = match[2].lower(), match[3]
    elif (bare := _BARE_HOST.match(plain)) is not None:
        host, path = bare[1].lower(), bare[2]
    else:
        host, path = "hf.co", plain
    path, _, query = path.partition("#")[0].partition("?")
    if host not in _HOSTS:
        inner = host.endswith((".huggingface.co", ".hf.co"))
        what = "is a temporary address of a download" if inner else f"is an address on {host}, not on the hub"
        raise InputError(what, where=_shown(text), remedy=f"Give owner/name, for example {EXAMPLE}.")
    return path, query


def _split_name(part: str) -> tuple[str, str, str]:
    """`name@revision:tag` → name, revision, tag."""
    decoded = unquote(part)
    head, _, tag = decoded.partition(":")
    name, _, revision = head.partition("@")
    return name.removesuffix(".git"), revision, tag


def _revision(parts: list[str]) -> tuple[str, list[str]]:
    """The revision that some parts of a path begin with, and what follows. `refs/pr/1` may be written with slashes."""
    count = 3 if parts[0] == "refs" and len(parts) > 2 else 1
    return unquote("/".join(parts[:count])), parts[count:]


def _unnamed(text: str) -> InputError:
    return InputError(
        "is not the name of a model on the hub",
        where=_shown(text) or "model name",
        remedy=f"Give owner/name, for example {EXAMPLE}, or owner/name/file.gguf.",
    )


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
