"""Tokens that end a turn or a text by their name, whatever a file says of them, as in llama.cpp.

Many files name one end token and were trained with another. llama.cpp (src/llama-vocab.cpp) therefore ends a text at
any token with one of these names.
"""

from __future__ import annotations

END_NAMES = frozenset(
    (
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "</s>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
    )
)
"""Of turns, messages and texts."""
FILE_NAMES = frozenset(("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                        "<REPO>", "<reponame>", "<|file_sep|>"))  # fmt: skip
"""Of files, where code models go on to the next one."""
_CALLS = ({"<|return|>", "<|call|>", "<|end|>"}, {"<|calls|>", "<|flush|>", "<|end|>"})
"""Where a tokenizer has all of one set, `<|end|>` ends a message within a turn only."""


def end_names(has: frozenset[str]) -> frozenset[str]:
    """Which of a tokenizer's tokens end a text; `has` are those of the names above that it has."""
    within = {"<|end|>"} if any(names <= has for names in _CALLS) else set[str]()
    return (has & (END_NAMES | FILE_NAMES)) - within
