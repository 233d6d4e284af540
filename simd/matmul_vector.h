/* Products of one vector with a matrix: a matrix product of one row, and a recurrent step. */
#pragma once
#include "loom.h"

/* y[j] = start[j] + Σ_k x[k · xs] m[k · ms + j] for j < n; `start` may be 0 or y. Rows of m are contiguous. */
void combine_rows(f32 *y, const f32 *start, const f32 *x, u32 xs, const f32 *m, u32 ms, u32 n, u32 k);
/* y[j] = start[j] + Σ_k x[k] m[j · ms + k] for j < n: a dot product for each row of m. */
void dot_rows(f32 *y, const f32 *start, const f32 *x, const f32 *m, u32 ms, u32 n, u32 k);
