/* The drivers: rows shared over the threads in groups of eight, what goes before a product and what comes after it.
 *
 * Several matrices may share one input (queries, keys and values; gate and up). What comes after: bias, then either
 * `y = residual + …`, or for a pair `y = silu(first) · second`.
 */
#include "linear.h"
#include "norm.h"

#define TOGETHER 4 /* groups whose results are written together */
_Static_assert(2 * TOGETHER * CHUNK * GROUP * sizeof(f32) + MAX_K / BLOCK * 2 * GROUP * sizeof(f32) + MAX_K * GROUP <=
                   SCRATCH_BYTES,
               "results of a pair, and the scales and integers of the widest group, fit the scratch memory");

/* Five words per matrix. */
typedef struct {
    Word y, weight, storage, rows, bias;
} Matrix;

/* The biases of `count` rows from `at` on, 0 for the rest of `n` and for a matrix without any. */
static inline void bias_of(const Matrix *m, u32 at, u32 count, u32 n, f32 *to) {
    for (u32 j = 0; j < n; j++) to[j] = m->bias.u && j < count ? floats(m->bias)[at + j] : 0;
}

/* The results of `groups` groups from g on, (CHUNK, 8) each, go to y (from row of tokens `first` on): all of a token's
 * together, since lines of memory are written fastest as a whole. */
static inline __attribute__((always_inline)) void finish(const Matrix *m, u32 g, u32 groups, u32 first, u32 tokens,
                                                         const f32 *out, const f32 *second, const f32 *residual) {
    u32 rows = m->rows.u, at = g * GROUP, n = groups * GROUP, count = min_u32(n, rows - at);
    f32 bias[2][TOGETHER * GROUP];
    bias_of(m, at, count, n, bias[0]);
    if (second) bias_of(m + 1, at, count, n, bias[1]);
    for (u32 t = 0; t < tokens; t++) {
        size_t to = (size_t)(first + t) * rows + at, from = t * GROUP;
        f32 *y = floats(m->y) + to;
        for (u32 j = 0; j < n; j += 4) {
            size_t here = from + j / GROUP * (CHUNK * GROUP) + j % GROUP;
            v128 v = wasm_f32x4_add(load4(out + here), load4(bias[0] + j));
            if (second) v = wasm_f32x4_mul(silu4(v), wasm_f32x4_add(load4(second + here), load4(bias[1] + j)));
            if (j + 4 <= count) {
                store4(y + j, residual ? wasm_f32x4_add(load4(residual + to + j), v) : v);
                continue;
            }
            f32 last[4];
            store4(last, v);
            for (u32 i = j; i < count; i++) y[i] = residual ? residual[to + i] + last[i - j] : last[i - j];
        }
    }
}

static u32 groups_of(const Matrix *m) { return (m->rows.u + GROUP - 1) / GROUP; }
static u32 all_groups(const Matrix *m, u32 count, int pair) {
    u32 total = groups_of(m);
    for (u32 i = 1; i < count && !pair; i++) total += groups_of(m + i);
    return total;
}
/* Pieces of about equal work: about eight per thread, none below about ten thousand products. */
static u32 grain_of(u32 groups, u32 k, u32 tokens, u32 threads) {
    u32 least = 16384 / (k * GROUP * tokens / 4 + 1) + 1;
    u32 grain = groups / (threads * 8);
    return grain > least ? grain : least;
}

/* x (K), K, gamma (or 0), eps (immediate), want, residual (or 0), pair, count, then y, weight, storage, rows, bias of each.
 * One token: every thread computes the digits (and the norm) itself, which is faster than waiting for another. */
KERNEL(linear_vector) {
    const f32 *x = floats(w[0]), *gamma = floats(w[2]), *residual = w[5].u ? floats(w[5]) : 0;
    u32 k = w[1].u, want = w[4].u, pair = w[6].u, count = w[7].u;
    const Matrix *m = (const Matrix *)(w + 8);
    u8 *free = t->scratch;
    Digits d = {0};
    u32 ready = 0;
    u32 groups = all_groups(m, count, pair);
    for (Range r = pieces(groups, grain_of(groups, k, 4, t->count)); take(t, &r);) {
        if (!ready) {
            ready = 1;
            if (w[2].u) {
                rms_norm_row(x, gamma, w[3].f, k, (f32 *)free);
                x = (const f32 *)free;
                free += k * sizeof(f32);
            }
            if (want) {
                d = digits_at(free, want, k, 1);
                quantise_token(x, k, &d, want, 1, 0);
            }
        }
        const Matrix *of = m;
        u32 before = 0;
        for (u32 i = r.start; i < r.end; i++) {
            while (!pair && i - before >= groups_of(of)) before += groups_of(of), of++;
            f32 out[2][GROUP];
            for (u32 j = 0; j <= pair; j++) {
                u32 storage = of[j].storage.u;
                if (want && storage >= Q8_0)
                    group_vector_digits(storage,
                                        bytes(of[j].weight) + (size_t)(i - before) * (k / BLOCK) * block_bytes(storage),
                                        &d, want, k, out[j]);
                else group_vector_floats(storage, bytes(of[j].weight), i - before, of[j].rows.u, x, k, out[j]);
            }
            finish(of, i - before, 1, 0, 1, out[0], pair ? out[1] : 0, residual);
        }
    }
}

/* digits, x (T, K), T, K, gamma (or 0), eps (immediate), want, normed (T, K) or 0: tiles of digits of x, or of its norm. */
KERNEL(linear_digits) {
    u32 tokens = w[2].u, k = w[3].u, want = w[6].u, bytes_of_tile = digits_bytes(want, k, TILE);
    for (Range r = pieces((tokens + TILE - 1) / TILE, 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            Digits d = digits_at(bytes(w[0]) + (size_t)i * bytes_of_tile, want, k, TILE);
            for (u32 j = 0; j < TILE; j++) {
                u32 token = i * TILE + j;
                if (token >= tokens) {
                    if (want) quantise_token(0, k, &d, want, TILE, j);
                    continue;
                }
                const f32 *x = floats(w[1]) + (size_t)token * k;
                if (w[4].u) {
                    f32 *to = w[7].u ? floats(w[7]) + (size_t)token * k : (f32 *)t->scratch;
                    rms_norm_row(x, floats(w[4]), w[5].f, k, to);
                    x = to;
                }
                if (want) quantise_token(x, k, &d, want, TILE, j);
            }
        }
}

/* digits, x (T, K), T, K, want, residual (or 0), pair, count, then as above: many tokens. */
KERNEL(linear_matrix) {
    const f32 *x = floats(w[1]), *residual = w[5].u ? floats(w[5]) : 0;
    u32 tokens = w[2].u, k = w[3].u, want = w[4].u, pair = w[6].u, count = w[7].u;
    const Matrix *m = (const Matrix *)(w + 8);
    f32 *out = (f32 *)t->scratch, *second = out + TOGETHER * CHUNK * GROUP;
    u8 *panel = (u8 *)(second + TOGETHER * CHUNK * GROUP);
    u32 groups = all_groups(m, count, pair), chunk = chunk_of(k);
    for (Range r = pieces(groups, grain_of(groups, k, tokens, t->count)); take(t, &r);) {
        for (u32 first = 0; first < tokens; first += chunk) {
            u32 now = min_u32(chunk, tokens - first), tiles = (now + TILE - 1) / TILE, before = 0;
            const Matrix *of = m;
            for (u32 i = r.start, n; i < r.end; i += n) {
                while (!pair && i - before >= groups_of(of)) before += groups_of(of), of++;
                n = min_u32(TOGETHER, min_u32(r.end, before + groups_of(of)) - i);
                for (u32 j = 0; j <= pair; j++)
                    for (u32 g = 0; g < n; g++) {
                        u32 storage = of[j].storage.u, at = i - before + g;
                        f32 *to = (j ? second : out) + g * CHUNK * GROUP;
                        if (want && storage >= Q8_0)
                            group_matrix_digits(storage,
                                                bytes(of[j].weight) + (size_t)at * (k / BLOCK) * block_bytes(storage),
                                                bytes(w[0]) + (size_t)first / TILE * digits_bytes(want, k, TILE), want,
                                                k, tiles, to, panel);
                        else
                            group_matrix_floats(storage, bytes(of[j].weight), at, of[j].rows.u, x + (size_t)first * k,
                                                k, now, to, panel);
                    }
                finish(of, i - before, n, first, now, out, pair ? second : 0, residual);
            }
        }
    }
}
