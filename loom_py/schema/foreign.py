"""What a file holds that is not what its name says, by its first bytes: a Git LFS pointer, a web page, an archive.

Readers ask when the bytes cannot be theirs, so that the error names what is there and what to do about it, instead of
what the bytes would mean as a header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

HEAD_BYTES = 4096
"""How many bytes of a file `foreign` looks at."""
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "UTF-8",
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Longer ones first; each names a codec of Python that skips it."""
SAVE_AS_UTF8 = "Save it as UTF-8 without a byte order mark."

_AGAIN = "Fetch or write the file again."
_SHOWN = 80
TRUNCATED = "The download did not finish, or the disk was full: fetch the file again."


@dataclass(frozen=True)
class Foreign:
    """`what` follows the file's name in a sentence: `is a web page`; `remedy` is what to do in that case.

    `plain`: nothing but a text, whose beginning `what` quotes.
    """

    what: str
    remedy: str
    plain: bool = False


_PAGE = (
    "Fetch the file itself: its address on the hub has /resolve/ in it and not /blob/. "
    "Sign in and accept the model's terms first if the page asks for it."
)
_LFS = "Run git lfs pull where it was cloned, or fetch the file itself from the hub."
_SAFETENSORS = "Use the .safetensors files of the same model."
_PYTORCH = "Use the .safetensors files of the same model, or save its state_dict with the safetensors package."
_GGML = "Use a GGUF of the same model, or convert it with convert_llama_ggml_to_gguf.py of llama.cpp."
_UNPACK = "Unpack it and use the files inside."
_ANSWER = "Check the address, sign in if the server asks for it, and fetch the file again."
_TEXT = "If the file was fetched, check its address and whether the server wants you to sign in."
_RIGHT_KIND = "Give it the right name, or choose the file that belongs here."

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file it stands for", _LFS),
    (b"version https://hawser", "is a Git LFS pointer, not the file it stands for", _LFS),
    (b"/annex/objects/", "is a git-annex pointer, not the file it stands for", "Run git annex get where it lies."),
    (b"# xet version", "is a Xet pointer, not the file it stands for", "Fetch the file itself from the hub."),
    (b"GGUF", "is a GGUF file", _RIGHT_KIND),
    (b"FUGG", "is a GGUF file with swapped bytes", "Use the little-endian file of the same model."),
    (b"lmgg", "is a GGML file, from before GGUF", _GGML),
    (b"fmgg", "is a GGMF file, from before GGUF", _GGML),
    (b"tjgg", "is a GGJT file, from before GGUF", _GGML),
    (b"algg", "is a LoRA adapter in GGML's form, from before GGUF", "Use an adapter in safetensors or GGUF."),
    (b"nsgg", "is a saved session of llama.cpp", "Use the model that the session was made with."),
    (b"qsgg", "is a saved state of llama.cpp", "Use the model that the state was made with."),
    (b"\x93NUMPY", "is a NumPy array (.npy)", "Save the weights as safetensors."),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, such as Keras writes", _SAFETENSORS),
    (b"\x1f\x8b", "is compressed with gzip", "Decompress it with gunzip."),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "Decompress it with unzstd."),
    (b"\xfd7zXZ\0", "is compressed with xz", "Decompress it with unxz."),
    (b"BZh", "is compressed with bzip2", "Decompress it with bunzip2."),
    (b"\x04\x22\x4d\x18", "is compressed with lz4", "Decompress it with unlz4."),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "is a RAR archive", _UNPACK),
    (b"PK\5\6", "is an empty zip archive", _AGAIN),
    (b"\0\5\x16\7", "is an AppleDouble file, which macOS writes", "Use the file without ._ before its name."),
    (b"\xef\xbb\xbfGGUF", "is a GGUF file behind a byte order mark, which some editor has put there", _AGAIN),
    (b"HTTP/", "is a server's answer with its headers", "Fetch the file again, and keep the body of the answer alone."),
    (b"SQLite format 3", "is an SQLite database", _RIGHT_KIND),
    (b"PAR1", "is a Parquet file", _RIGHT_KIND),
    (b"\x7fELF", "is a program for Linux", _RIGHT_KIND),
    (b"MZqFpD", "is a llamafile", "Use the GGUF file of the same model, which unzip takes out of it."),
    (b"MZ\x90\0", "is a program for Windows", _RIGHT_KIND),
    (b"%PDF-", "is a PDF document", _RIGHT_KIND),
    (b"\x89PNG\r\n", "is a PNG picture", _RIGHT_KIND),
    (b"\xff\xd8\xff", "is a JPEG picture", _RIGHT_KIND),
    (b"\0asm", "is a WebAssembly module", _RIGHT_KIND),
)  # fmt: skip
_POINTERS = 4  # the first entries
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_HTML = re.compile(r"<!doctype html|<html|<head|<body|<script|<meta|<title", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_CODE = re.compile(r"<(?:Code|Message)>([^<]+)")
_ERROR_KEYS = frozenset({
    "error", "errors", "error_code", "message", "detail", "details", "status", "statusCode", "code", "title", "type",
    "documentation_url", "path", "requestId", "request_id", "timestamp", "reason", "success", "url", "hint",
})  # fmt: skip


def foreign(head: bytes | memoryview, size: int) -> Foreign | None:
    """What a file is that begins with `head` (`HEAD_BYTES` are enough) and has `size` bytes; None if that is unclear.

    Formats of this package are among them: ask only when the bytes are not what they should be.
    """
    raw = bytes(head[:HEAD_BYTES])
    if not size:
        return Foreign("is empty", _AGAIN)
    for magic, what, remedy in _MAGIC:
        if raw.startswith(magic):
            return Foreign(what, remedy)
    if len(raw) >= 64 and not raw.strip(b"\0"):
        return Foreign(f"holds nothing but zeros in its first {len(raw)} bytes", f"It never arrived whole. {_AGAIN}")
    return _archive(raw) or _binary(raw) or _text(raw, size)


def foreign_text(text: str) -> Foreign | None:
    """What a text is that should be a template: a pointer or a web page. Other texts may be what they should be."""
    start = text[:HEAD_BYTES]
    for magic, what, remedy in _MAGIC[:_POINTERS]:
        if start.startswith(magic.decode()):
            return Foreign(what, remedy)
    return _page(start.strip())


def server_error(value: object) -> Foreign | None:
    """What a parsed JSON document is if it is a server's refusal instead of the file: `{"error": "…"}` and the like."""
    if not isinstance(value, Mapping):
        return None
    answer = cast(Mapping[str, object], value)
    if not answer or not _ERROR_KEYS.issuperset(answer):
        return None
    reason = next((answer[key] for key in ("error", "message", "detail", "errors") if answer.get(key)), None)
    if isinstance(reason, Mapping):
        reason = cast(Mapping[str, object], reason).get("message")
    if isinstance(reason, list) and reason:
        reason = cast(list[object], reason)[0]
    return Foreign(f"is a server's error message: {_shown(reason)}", _ANSWER) if isinstance(reason, str) else None


def _archive(raw: bytes) -> Foreign | None:
    if raw.startswith(b"PK\3\4"):
        if b"data.pkl" in raw:
            return Foreign("is a PyTorch checkpoint", _PYTORCH)
        if b".npy" in raw:
            return Foreign("is a NumPy archive (.npz)", "Save the weights as safetensors.")
        return Foreign("is a zip archive", _UNPACK)
    if raw[257:262] == b"ustar":
        return Foreign("is a tar archive", _UNPACK)
    return None


def _binary(raw: bytes) -> Foreign | None:
    if _PICKLE.match(raw):
        return Foreign("is a Python pickle, such as old PyTorch checkpoints are", _PYTORCH)
    if raw[4:8] == b"TFL3":
        return Foreign("is a TensorFlow Lite model", _SAFETENSORS)
    if raw.startswith(b"\x08") and (b"pytorch" in raw[:64] or b"onnx" in raw[:64].lower()):
        return Foreign("is an ONNX model", _SAFETENSORS)
    if raw.startswith(b"\n") and b"<unk>" in raw[:32]:
        return Foreign(
            "is a SentencePiece model (tokenizer.model)", "Give it under that name, or use the model's tokenizer.json."
        )
    length = int.from_bytes(raw[:8], "little")
    if 2 <= length <= 100_000_000 and raw[8:10] in (b'{"', b"{}", b"{ ", b"{\n"):
        return Foreign("is a safetensors file", _RIGHT_KIND)
    return None


def _text(raw: bytes, size: int) -> Foreign | None:
    """What is written in a file that is text."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "UTF-8")
    if marked != "UTF-8":
        return Foreign(f"is text in {marked}", SAVE_AS_UTF8)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 3 or len(raw) == size:  # otherwise a character is cut at the end of the head
            return None
        text = raw[: error.start].decode("utf-8-sig")
    if any(ord(c) < 32 and c not in "\t\n\r\f\x1b" for c in text):
        return None
    text = text.strip()
    if (page := _page(text)) is not None:
        return page
    if text.startswith("<"):
        code = _CODE.search(text)
        return Foreign(f"is an XML document{f': {_shown(code[1])}' if code else ''}", _ANSWER)
    if text.startswith(("{", "[")):
        return _json(text) if len(raw) == size else Foreign("is JSON text", _RIGHT_KIND)
    if not text:
        return None
    return Foreign(f"is plain text that begins with {_shown(text)}", _TEXT, plain=True)


def _page(text: str) -> Foreign | None:
    if not _HTML.match(text) and not (text.startswith("<!--") and _HTML.search(text)):
        return None
    title = _TITLE.search(text)
    return Foreign(f"is a web page{f': {_shown(title[1])}' if title else ''}", _PAGE)


def _json(text: str) -> Foreign:
    try:
        return server_error(json.loads(text)) or Foreign("is JSON text", _RIGHT_KIND)
    except (ValueError, RecursionError):
        return Foreign("is text that begins like JSON", _AGAIN)


def _shown(text: str) -> str:
    """The beginning of a text in one line, quoted."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
