"""How tensors are stored: element types and quantised blocks, in one table for all file formats.

A tensor is stored row after row, in row-major order; a row is a sequence of whole blocks. A block holds `block`
elements in `size` bytes. All numbers are little-endian; `d`, `m` and `dmin` are float16, `q` the stored small integer.

| name | block | bytes of a block, in order                                   | element                          |
|------|-------|--------------------------------------------------------------|----------------------------------|
| Q4_0 | 32    | d, 16 nibble bytes                                           | d · (q − 8)                      |
| Q4_1 | 32    | d, m, 16 nibble bytes                                        | d · q + m                        |
| Q5_0 | 32    | d, 4 high-bit bytes, 16 nibble bytes                         | d · (q − 16)                     |
| Q5_1 | 32    | d, m, 4 high-bit bytes, 16 nibble bytes                      | d · q + m                        |
| Q8_0 | 32    | d, 32 int8                                                   | d · q                            |
| Q2_K | 256   | 16 bytes (scale 4 bits, min 4 bits), 64 bytes, d, dmin       | d · s · q − dmin · m, by 16      |
| Q3_K | 256   | 32 high-bit bytes, 64 bytes, 12 scale bytes, d               | d · (s − 32) · (q − 4), by 16    |
| Q4_K | 256   | d, dmin, 12 scale bytes, 128 nibble bytes                    | d · s · q − dmin · m, by 32      |
| Q5_K | 256   | d, dmin, 12 scale bytes, 32 high-bit bytes, 128 nibble bytes | d · s · q − dmin · m, by 32      |
| Q6_K | 256   | 128 nibble bytes, 64 bytes, 16 int8 scales, d                | d · s · (q − 32), by 16          |
| Q8_K | 256   | d as float32, 256 int8, 32 bytes of their sums               | d · q                            |
| IQ4_NL | 32  | d, 16 nibble bytes                                           | d · k(q)                         |
| IQ4_XS | 256 | d, 2 bytes, 4 bytes, 128 nibble bytes                        | d · (s − 32) · k(q), by 32       |
| MXFP4 | 32   | e, 16 nibble bytes                                           | 2^(e − 128) · f(q)               |
| TQ1_0 | 256  | 48 bytes, 4 bytes, d                                         | d · (q − 1)                      |
| TQ2_0 | 256  | 64 bytes, d                                                  | d · (q − 1)                      |

k maps sixteen codes to −127, −104, −83, −65, −49, −35, −22, −10, 1, 13, 25, 38, 53, 69, 89, 113; f is twice the
four-bit float E2M1: 0, 1, 2, 3, 4, 6, 8, 12 and their negatives.

Where the elements of a block lie ("low" is bits 0–3 of a byte, "high" bits 4–7):

- *Nibbles, blocks of 32*: byte j holds element j (low) and j+16 (high). High bit of element j: bit j of the word.
- *Q4_K, Q5_K*: bytes 32g … 32g+31 hold elements 64g+l (low) and 64g+32+l (high), g < 4. Fifth bit of element 32j+l:
  bit j of high-bit byte l. The 12 scale bytes hold eight 6-bit scales s and eight 6-bit mins m: for j < 4, s_j is the
  low six bits of byte j and m_j of byte j+4; for j ≥ 4, s_j is the low nibble of byte j+4 with the top two bits of
  byte j−4 above it, m_j the high nibble of byte j+4 with the top two bits of byte j above it.
- *Q2_K, Q3_K*: byte 32h+l holds elements 128h+32k+l in bits 2k, 2k+1 (h < 2, k < 4). Q3_K's third bit of that
  element: bit 4h+k of high-bit byte l. Its 12 scale bytes hold sixteen 6-bit scales: low four bits of s_j in the
  nibble of byte j mod 8 (low for j < 8, else high), top two from bit 2⌊j/4⌋ of byte 8 + j mod 4.
- *Q6_K*: for each half h of 128: nibble byte 64h+i holds elements 128h+i (low) and 128h+64+i (high), i < 64; the top
  two bits of element 128h+32k+l are bits 2k, 2k+1 of byte 32h+l of the 64.
- *IQ4_NL, MXFP4*: as the other blocks of 32. *IQ4_XS*: each 32 elements likewise, in 16 bytes; the 6-bit scale s_j has
  its low four bits in nibble j of the 4 bytes, its top two in bits 2j, 2j+1 of the 16-bit word before them.
- *TQ2_0*: as Q2_K. *TQ1_0*: a byte holds five base-3 digits (the last 4 bytes four) as a fraction of 256: digit n of
  byte b is ⌊3 · (3ⁿ b mod 256) / 256⌋. Bytes 0–31 hold elements 32n+l, bytes 32–47 elements 160+16n+l, the last four
  elements 240+4n+l.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StorageType:
    """`block` elements in `size` bytes; `numpy` is the NumPy type of the same layout, if there is one."""

    name: str
    block: int
    size: int
    numpy: str | None = None

    @property
    def quantised(self) -> bool:
        """Whether elements share a block."""
        return self.block > 1


_ELEMENTS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "|u1", "F8_E5M2": "|u1", "BOOL": "|b1",
    "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}  # fmt: skip

_BLOCKS = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q8_1": (32, 40),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210),
    "Q8_K": (256, 292), "IQ2_XXS": (256, 66), "IQ2_XS": (256, 74), "IQ3_XXS": (256, 98), "IQ1_S": (256, 50),
    "IQ4_NL": (32, 18), "IQ3_S": (256, 110), "IQ2_S": (256, 82), "IQ4_XS": (256, 136), "IQ1_M": (256, 56),
    "TQ1_0": (256, 54), "TQ2_0": (256, 66), "MXFP4": (32, 17), "NVFP4": (64, 36), "Q1_0": (128, 18),
}  # fmt: skip

STORAGE: dict[str, StorageType] = {
    name: StorageType(name, 1, int(code[-1]), code) for name, code in _ELEMENTS.items()
} | {name: StorageType(name, block, size) for name, (block, size) in _BLOCKS.items()}

GGML_TYPES: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
    40: "NVFP4", 41: "Q1_0",
}  # fmt: skip
"""GGUF's type number → name."""

WITHDRAWN_TYPES: dict[int, str] = {
    4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}  # fmt: skip
"""Numbers that llama.cpp once wrote and no longer reads."""

SAFETENSORS_TYPES = frozenset(_ELEMENTS)
