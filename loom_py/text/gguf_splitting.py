"""How a GGUF file's text is split into words, by the name in `tokenizer.ggml.pre`: llama.cpp's table of names.

Each name stands for regular expressions that are applied one after the other, each to the pieces that the ones before
left; where a model's own `tokenizer.json` writes an expression with case-insensitive groups or Unicode categories, that
form is given, for which llama.cpp's is a substitute. Source: `llama-vocab.cpp` of llama.cpp, at the end of 2025.
"""

from __future__ import annotations

from dataclasses import dataclass

from .pretokenize import GGUF_DEFAULT_PATTERNS, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN

DIGIT = r"\p{N}"
"""Every digit by itself."""
THOUSANDS = r"(?=(\d{3})+(?!\d))"
"""Runs of digits in threes, counted from the right."""

_S = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_FINNISH = r" ?[^(\s|.,!?…。，、।۔،)]+"
_CJK = r"[一-龥ࠀ-一가-퟿]+"
_PUNCTUATED = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_SPACES}"
)
_LATIN_GREEK_CYRILLIC = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ"
    "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)


@dataclass(frozen=True)
class Splitting:
    """How text is split, and what else goes with the name.

    - `patterns`: one after the other.
    - `ignore_merges`: words that are tokens are not merged.
    - `add_bos`: the text begins with a token where the file does not say otherwise.
    - `nfc`: characters are composed first, as the model's `tokenizer.json` says and GGUF does not.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False
    nfc: bool = False


_LLAMA3 = Splitting((LLAMA3_PATTERN,), ignore_merges=True, add_bos=True)
_LLAMA3_MERGED = Splitting((LLAMA3_PATTERN,))
_GPT2 = Splitting((GPT2_PATTERN,))
_DIGITS_GPT2 = Splitting((DIGIT, GPT2_PATTERN))
_QWEN2 = Splitting((QWEN2_PATTERN,))
_GPT4O = Splitting((
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_S}?|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_S}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}",
))  # fmt: skip
_BAILING = Splitting((
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
))  # fmt: skip
_DEEPSEEK3 = Splitting((r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", _PUNCTUATED))
_HAN = r"&&[^\p{Han}]"
_KIMI = Splitting((
    rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}{_HAN}]*[{_LOWER}{_HAN}]+{_S}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}{_HAN}]+[{_LOWER}{_HAN}]*{_S}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}",
))  # fmt: skip

_NAMES: tuple[tuple[str, Splitting], ...] = (
    ("default", Splitting(GGUF_DEFAULT_PATTERNS)),
    ("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", _LLAMA3),
    ("dbrx smaug-bpe chatglm-bpe glm4", _LLAMA3_MERGED),
    ("gpt-2 gpt2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe", _GPT2),
    ("gigachat a.x-4.0 mellum exaone4 mpt olmo jais trillion granite-docling modern-bert", _GPT2),
    ("smollm starcoder refact command-r codeshell exaone minerva-7b", _DIGITS_GPT2),
    ("qwen2", Splitting((QWEN2_PATTERN,), nfc=True)),
    ("deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan grok-2", _QWEN2),
    ("qwen35", Splitting((
        rf"{_S}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}",
    ), nfc=True)),
    ("deepseek-llm", Splitting((
        r"[\r\n]", rf"\s?[{_LATIN_GREEK_CYRILLIC}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", _CJK, r"\p{N}+",
    ))),
    ("deepseek-coder", Splitting((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, DIGIT))),
    ("deepseek-v3 hunyuan-dense", _DEEPSEEK3),
    ("falcon", Splitting((r"[\p{P}\$\+<=>\^~\|`]+", GGUF_DEFAULT_PATTERNS[1], "[0-9][0-9][0-9]"))),
    ("bloom poro-chat gpt3-finnish", Splitting((_FINNISH,))),
    ("viking", Splitting((_FINNISH, DIGIT))),
    ("tekken", Splitting((
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*"
        rf"|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}",
    ), ignore_merges=True, add_bos=True)),
    ("chameleon", Splitting((
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\t\n]|    |  )", DIGIT,
        r"[\p{P}!-/:-@\[-`{-~]", GGUF_DEFAULT_PATTERNS[1],
    ), add_bos=True)),
    ("gpt-4o llama4 kanana2 talkie minimax-m2", _GPT4O),
    ("kimi-k2", _KIMI),
    ("superbpe", Splitting((r"\p{N}+", THOUSANDS))),
    ("bailingmoe bailingmoe2 llada-moe", _BAILING),
    ("seed-coder", Splitting((
        rf"{_S}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_SPACES}",
    ))),
    ("afmoe", Splitting((
        r"\p{N}+", THOUSANDS,
        "[一-鿿㐀-䶿\uf900-\ufaff぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+", _PUNCTUATED,
    ))),
)  # fmt: skip

SPLITTINGS: dict[str, Splitting] = {name: splitting for names, splitting in _NAMES for name in names.split()}
"""By the name in the file."""
