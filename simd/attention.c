/* Grouped-query attention, causal over a key–value cache or within spans, by a running softmax (Milakov & Gimelshein 2018;
 * Dao et al. 2022): scores are never kept for more than a block of positions. keys, values (capacity, kv, D); q, y (T, heads, D).
 * With `window` > 0 a row sees that many positions only, itself the last; with `cap` > 0 scores s are cap · tanh(s / cap).
 *
 * One token: positions in chunks of fixed size, whose parts are joined afterwards. Keys, then values, are read from end to
 * end, rows of all heads, and prefetched a few rows ahead: memory limits long contexts. Few chunks are shared by heads.
 * Many tokens: query rows in tiles, each over all its positions. */
#include "vecmath.h"

#define CHUNK 128 /* positions per part, one token; mirrored in loom_py/runtime/simd/attention.py */
#define BLOCK 4   /* positions whose values are added up, and prefetched, at a time */
#define AHEAD 2   /* positions that keys are prefetched ahead */
#define ALONE 32  /* positions below which one thread is faster, one token */
#define ROWS 48   /* query rows per piece of work, many tokens */
#define SPAN 64   /* positions at a time, many tokens */

typedef struct {
    f32 *y;
    const f32 *q, *keys, *values;
    u32 position, tokens, heads, kv, size, group, capacity, window;
    f32 scale, cap;
} Attention;

/* The first position that the last of `length` may attend to. */
static inline u32 window_start(u32 length, u32 window) { return window && length > window ? length - window : 0; }

/* n scores, rounded up to 4, in place */
static inline void cap_scores(f32 *scores, u32 n, f32 cap) {
    v128 by = wasm_f32x4_splat(cap);
    for (u32 i = 0; i < n; i += 4) store4(scores + i, wasm_f32x4_mul(by, tanh4(wasm_f32x4_div(load4(scores + i), by))));
}

static int attention_of(const Word *w, Attention *a) {
    f64 at = number(w[4]);
    *a = (Attention){.y = floats(w[0]),
                     .q = floats(w[1]),
                     .keys = floats(w[2]),
                     .values = floats(w[3]),
                     .position = (u32)at,
                     .tokens = w[5].u,
                     .heads = w[6].u,
                     .kv = w[7].u,
                     .size = w[8].u,
                     .group = w[6].u / w[7].u,
                     .capacity = w[9].u,
                     .window = w[10].u,
                     .cap = w[11].f,
                     .scale = (f32)(1 / __builtin_sqrt((f64)w[8].u))};
    return at >= 0 && at + a->tokens <= w[9].u;
}

/* --- one token ---------------------------------------------------------------------------------------------------- */

/* CALL with 1 … 4 heads as a constant, so that their sums stay in registers. */
#define WITH_HEADS(count, CALL)  \
    switch (min_u32(4, count)) { \
    case 1: CALL(1); break;      \
    case 2: CALL(2); break;      \
    case 3: CALL(3); break;      \
    default: CALL(4);            \
    }

/* Prefetch by touching the memory. */
static inline void ask_for(const f32 *rows, u32 count) {
    const volatile f32 *from = rows;
    ROLLED for (u32 i = 0; i < count; i += 16) (void)from[i];
}
/* `own` floats of each of some rows; neighbouring rows as one. */
static inline void ask_for_rows(const f32 *rows, u32 count, u32 row, u32 own) {
    if (own == row) ask_for(rows, count * row);
    else
        for (u32 i = 0; i < count; i++) ask_for(rows + (size_t)i * row, own);
}

/* Scores of `heads` queries with two rows of their key head. */
static inline __attribute__((always_inline)) void scores_of_two(u32 size, f32 scale, const f32 *q, u32 heads, const f32 *key,
                                                                const f32 *next, f32 *scores) {
    v128 x[4], z[4];
    for (u32 h = 0; h < heads; h++) x[h] = z[h] = wasm_f32x4_splat(0);
    u32 i = 0;
    ROLLED for (; i + 4 <= size; i += 4) {
        v128 k0 = load4(key + i), k1 = load4(next + i);
        for (u32 h = 0; h < heads; h++) {
            v128 v = load4(q + h * size + i);
            x[h] = fma4(k0, v, x[h]);
            z[h] = fma4(k1, v, z[h]);
        }
    }
    for (u32 h = 0; h < heads; h++) {
        f32 s0 = sum4(x[h]), s1 = sum4(z[h]);
        for (u32 j = i; j < size; j++) s0 += q[h * size + j] * key[j], s1 += q[h * size + j] * next[j];
        scores[h * CHUNK] = s0 * scale;
        scores[h * CHUNK + 1] = s1 * scale; /* one past the end where count is odd */
    }
}

/* Some key–value heads, first … end, with their query heads. */
typedef struct {
    u32 first, end;
} Heads;

/* scores (heads, CHUNK) of these queries with positions from … from+count */
static void scores_of(const Attention *a, Heads of, u32 from, u32 count, f32 *scores) {
    u32 size = a->size, row = a->kv * size, own = (of.end - of.first) * size;
    const f32 *key = a->keys + (size_t)from * row;
    for (u32 p = 0; p < count; p += 2, key += 2 * (size_t)row) {
        const f32 *next = p + 1 < count ? key + row : key;
        if (from + p + AHEAD + 2 <= a->capacity) ask_for_rows(key + AHEAD * (size_t)row + of.first * size, 2, row, own);
        for (u32 kv = of.first; kv < of.end; kv++)
            for (u32 g = 0; g < a->group; g += 4) {
                u32 head = kv * a->group + g, at = kv * size;
#define SCORES(n) scores_of_two(size, a->scale, a->q + (size_t)head * size, n, key + at, next + at, scores + head * CHUNK + p)
                WITH_HEADS(a->group - g, SCORES)
#undef SCORES
            }
    }
}

/* sums (heads, D) += Σ over `count` positions of weight · value, for heads of one key–value head */
static inline __attribute__((always_inline)) void mix_of_heads(const Attention *a, const f32 *weights, u32 heads, const f32 *value,
                                                               u32 count, f32 *sums, u32 stride) {
    u32 size = a->size, i = 0;
    size_t row = (size_t)a->kv * size;
    for (; i + 8 <= size; i += 8) {
        v128 x[4], z[4];
        for (u32 h = 0; h < heads; h++) x[h] = load4(sums + h * stride + i), z[h] = load4(sums + h * stride + i + 4);
        const f32 *v = value + i;
        ROLLED for (u32 p = 0; p < count; p++, v += row) {
            v128 v0 = load4(v), v1 = load4(v + 4);
            for (u32 h = 0; h < heads; h++) {
                v128 by = wasm_v128_load32_splat(weights + h * CHUNK + p);
                x[h] = fma4(v0, by, x[h]);
                z[h] = fma4(v1, by, z[h]);
            }
        }
        for (u32 h = 0; h < heads; h++) store4(sums + h * stride + i, x[h]), store4(sums + h * stride + i + 4, z[h]);
    }
    for (; i < size; i++)
        for (u32 h = 0; h < heads; h++)
            for (u32 p = 0; p < count; p++) sums[h * stride + i] += weights[h * CHUNK + p] * value[p * row + i];
}

/* sums (heads, D) of these heads, `stride` apart, over positions from … from+count */
static void mix_of(const Attention *a, Heads of, const f32 *weights, u32 from, u32 count, f32 *sums, u32 stride) {
    u32 row = a->kv * a->size, own = (of.end - of.first) * a->size;
    for (u32 h = of.first * a->group; h < of.end * a->group; h++) memset(sums + h * stride, 0, a->size * sizeof(f32));
    for (u32 p = 0; p < count; p += BLOCK) {
        const f32 *values = a->values + (size_t)(from + p) * row;
        if (from + p + 2 * BLOCK <= a->capacity) ask_for_rows(values + BLOCK * row + of.first * a->size, BLOCK, row, own);
        for (u32 kv = of.first; kv < of.end; kv++)
            for (u32 g = 0; g < a->group; g += 4) {
                u32 head = kv * a->group + g, n = min_u32(BLOCK, count - p);
#define MIX(heads) mix_of_heads(a, weights + head * CHUNK + p, heads, values + kv * a->size, n, sums + head * stride, stride)
                WITH_HEADS(a->group - g, MIX)
#undef MIX
            }
    }
}

/* scores → e^(score − max) in place; returns Σ, and the maximum through `most`. */
static f32 exponents(f32 *scores, u32 count, f32 *most) {
    v128 m = wasm_f32x4_splat(scores[0]);
    u32 i = 0;
    for (; i + 4 <= count; i += 4) m = wasm_f32x4_pmax(m, load4(scores + i));
    f32 max = max4(m);
    for (; i < count; i++) max = scores[i] > max ? scores[i] : max;
    for (i = count; i & 3; i++) scores[i] = -__builtin_inff();
    v128 sum = wasm_f32x4_splat(0), by = wasm_f32x4_splat(max);
    for (i = 0; i < count; i += 4) {
        v128 e = weight4(wasm_f32x4_sub(load4(scores + i), by));
        store4(scores + i, e);
        sum = wasm_f32x4_add(sum, e);
    }
    *most = max;
    return sum4(sum);
}

/* parts (chunks, heads, D + 2), q, keys, values, position slot, T = 1, heads, kv, D, capacity, window, cap: of each chunk of
 * positions that the window reaches Σ e^(s − max) · value, max and Σ e^(s − max). */
KERNEL(attention_parts) {
    Attention a;
    if (!attention_of(w, &a)) return;
    u32 length = a.position + 1, begin = window_start(length, a.window), stride = a.size + 2;
    u32 first = begin / CHUNK, chunks = (length + CHUNK - 1) / CHUNK - first;
    f32 *scores = (f32 *)t->scratch;
    u32 total = chunks * a.kv, grain = length < ALONE ? total : chunks < 4 * t->count ? 1 : a.kv;
    for (Range r = pieces(total, grain); take(t, &r);)
        for (u32 unit = r.start, next; unit < r.end; unit = next) {
            u32 chunk = unit / a.kv;
            next = min_u32(r.end, (chunk + 1) * a.kv);
            Heads of = {unit - chunk * a.kv, next - chunk * a.kv};
            u32 from = (first + chunk) * CHUNK, count = min_u32(CHUNK, length - from);
            if (from < begin) count -= begin - from, from = begin;
            f32 *parts = a.y + (size_t)chunk * a.heads * stride;
            scores_of(&a, of, from, count, scores);
            for (u32 h = of.first * a.group; h < of.end * a.group; h++) {
                f32 *end = parts + h * stride + a.size;
                if (a.cap > 0) cap_scores(scores + h * CHUNK, count, a.cap);
                end[1] = exponents(scores + h * CHUNK, count, end);
            }
            mix_of(&a, of, scores, from, count, parts, stride);
        }
}

/* y (heads, D), parts, position slot, heads, D, window, capacity: the parts joined. */
KERNEL(attention_join) {
    f64 at = number(w[2]);
    if (!(at >= 0 && at < w[6].u)) return;
    u32 heads = w[3].u, size = w[4].u, stride = size + 2, length = (u32)at + 1;
    u32 chunks = (length + CHUNK - 1) / CHUNK - window_start(length, w[5].u) / CHUNK;
    for (Range r = pieces(heads, heads); take(t, &r);)
        for (u32 h = r.start; h < r.end; h++) {
            const f32 *parts = floats(w[1]) + (size_t)h * stride;
            size_t next = (size_t)heads * stride;
            f32 max = parts[size], sum = 0;
            for (u32 c = 1; c < chunks; c++) max = parts[c * next + size] > max ? parts[c * next + size] : max;
            f32 *y = floats(w[0]) + (size_t)h * size;
            memset(y, 0, size * sizeof(f32));
            for (u32 c = 0; c < chunks; c++) {
                const f32 *p = parts + c * next;
                v128 e = weight4(wasm_f32x4_splat(p[size] - max));
                f32 by = wasm_f32x4_extract_lane(e, 0);
                sum += by * p[size + 1];
                u32 i = 0;
                for (; i + 4 <= size; i += 4) store4(y + i, fma4(load4(p + i), e, load4(y + i)));
                for (; i < size; i++) y[i] += by * p[i];
            }
            for (u32 i = 0; i < size; i++) y[i] /= sum;
        }
}

/* --- many tokens ---------------------------------------------------------------------------------------------------- */

/* c (4 rows, stride) for two vectors of columns: Σ over n of a (4, n) · b (n, stride). */
static inline __attribute__((always_inline)) void product4(const f32 *a, u32 a_stride, const f32 *b, size_t b_stride, u32 n,
                                                           f32 *c, u32 c_stride, int add) {
    v128 x[4], z[4];
    for (u32 i = 0; i < 4; i++) {
        x[i] = add ? load4(c + i * c_stride) : wasm_f32x4_splat(0);
        z[i] = add ? load4(c + i * c_stride + 4) : wasm_f32x4_splat(0);
    }
    const f32 *a1 = a + a_stride, *a2 = a1 + a_stride, *a3 = a2 + a_stride;
    ROLLED for (u32 i = 0; i < n; i++, b += b_stride) {
        v128 v = load4(b), u = load4(b + 4), f = wasm_v128_load32_splat(a + i);
        x[0] = fma4(v, f, x[0]), z[0] = fma4(u, f, z[0]);
        f = wasm_v128_load32_splat(a1 + i);
        x[1] = fma4(v, f, x[1]), z[1] = fma4(u, f, z[1]);
        f = wasm_v128_load32_splat(a2 + i);
        x[2] = fma4(v, f, x[2]), z[2] = fma4(u, f, z[2]);
        f = wasm_v128_load32_splat(a3 + i);
        x[3] = fma4(v, f, x[3]), z[3] = fma4(u, f, z[3]);
    }
    for (u32 i = 0; i < 4; i++) store4(c + i * c_stride, x[i]), store4(c + i * c_stride + 4, z[i]);
}

/* to (n) = from (n) · by */
static inline void scale_row(const f32 *from, u32 n, f32 by, f32 *to) {
    u32 i = 0;
    for (; i + 4 <= n; i += 4) store4(to + i, mul4(load4(from + i), splat(by)));
    for (; i < n; i++) to[i] = from[i] * by;
}

/* to (n) = from (n), without a call of the memory instruction, which costs more than a short row */
static inline void copy_row(const f32 *from, u32 n, f32 *to) {
    u32 i = 0;
    for (; i + 4 <= n; i += 4) store4(to + i, load4(from + i));
    for (; i < n; i++) to[i] = from[i];
}

/* columns (size, SPAN) = the first `count` rows (count, size), `row` floats apart, transposed. */
static void columns_of(const f32 *rows, size_t row, u32 count, u32 size, f32 *columns) {
    u32 p = 0;
    for (; p + 4 <= count; p += 4, rows += 4 * row) {
        u32 i = 0;
        for (; i + 4 <= size; i += 4)
            store_columns(columns + i * SPAN + p, SPAN, load4(rows + i), load4(rows + row + i), load4(rows + 2 * row + i),
                          load4(rows + 3 * row + i));
        for (; i < size; i++)
            for (u32 j = 0; j < 4; j++) columns[i * SPAN + p + j] = rows[j * row + i];
    }
    for (; p < count; p++, rows += row)
        for (u32 i = 0; i < size; i++) columns[i * SPAN + p] = rows[i];
}

/* One tile of query rows; row r is token r / group, head kv · group + r % group, and sees the positions from[r] … until[r] − 1
 * of all those from `start` to `length`. Scratch memory holds, with D rounded up to 8 as `wide`: queries (ROWS, wide), sums
 * (ROWS, wide), keys (wide, SPAN), values (SPAN, wide), scores (ROWS, SPAN). */
static void tile(const Attention *a, u32 kv, u32 first, u32 count, const u32 *from, const u32 *until, f32 *scratch) {
    u32 size = a->size, wide = (size + 7) & ~7u, rows = (count + 3) & ~3u;
    f32 *q = scratch, *sums = q + ROWS * wide, *keys = sums + ROWS * wide, *values = keys + SPAN * wide,
        *scores = values + SPAN * wide, max[ROWS], total[ROWS];
    memset(sums, 0, sizeof(f32) * rows * wide);
    for (u32 r = 0; r < rows; r++) { /* rows beyond `count` are the first one's, and go nowhere */
        max[r] = -__builtin_inff(), total[r] = 0;
        u32 row = first + (r < count ? r : 0), token = row / a->group, head = kv * a->group + row % a->group;
        scale_row(a->q + ((size_t)token * a->heads + head) * size, size, a->scale, q + r * wide);
    }
    u32 begin = from[0], length = until[0];
    for (u32 r = 1; r < count; r++) begin = min_u32(begin, from[r]), length = max_u32(length, until[r]);
    for (u32 start = begin; start < length; start += SPAN) {
        u32 span = min_u32(SPAN, length - start), across = (span + 7) & ~7u;
        size_t at = ((size_t)start * a->kv + kv) * size, row = (size_t)a->kv * size;
        columns_of(a->keys + at, row, span, size, keys);
        for (u32 p = 0; p < span; p++) copy_row(a->values + at + p * row, size, values + p * wide);
        for (u32 r = 0; r < rows; r += 4)
            for (u32 p = 0; p < across; p += 8) product4(q + r * wide, wide, keys + p, SPAN, size, scores + r * SPAN + p, SPAN, 0);
        for (u32 r = 0; r < rows; r++) {
            f32 *s = scores + r * SPAN;
            u32 low = r < count ? from[r] : 0, high = r < count ? until[r] : 0;
            u32 n = high > start ? min_u32(span, high - start) : 0;
            u32 skip = low > start ? min_u32(n, low - start) : 0;
            if (a->cap > 0) cap_scores(s, across, a->cap);
            for (u32 p = n; p < across; p++) s[p] = -__builtin_inff();
            for (u32 p = 0; p < skip; p++) s[p] = -__builtin_inff();
            if (n == skip) {
                memset(s, 0, across * sizeof(f32));
                continue;
            }
            v128 m = wasm_f32x4_splat(max[r]);
            for (u32 p = 0; p < across; p += 4) m = wasm_f32x4_pmax(m, load4(s + p));
            f32 most = max4(m);
            v128 by = wasm_f32x4_splat(most), sum = wasm_f32x4_splat(0);
            for (u32 p = 0; p < across; p += 4) {
                v128 e = weight4(wasm_f32x4_sub(load4(s + p), by));
                store4(s + p, e);
                sum = wasm_f32x4_add(sum, e);
            }
            if (most != max[r] && total[r] > 0) {
                v128 fade = weight4(wasm_f32x4_splat(max[r] - most));
                for (u32 i = 0; i < wide; i += 4) store4(sums + r * wide + i, wasm_f32x4_mul(load4(sums + r * wide + i), fade));
                total[r] *= wasm_f32x4_extract_lane(fade, 0);
            }
            max[r] = most;
            total[r] += sum4(sum);
        }
        for (u32 r = 0; r < rows; r += 4)
            for (u32 i = 0; i < wide; i += 8) product4(scores + r * SPAN, SPAN, values + i, wide, span, sums + r * wide + i, wide, 1);
    }
    for (u32 r = 0; r < count; r++) {
        u32 token = (first + r) / a->group, head = kv * a->group + (first + r) % a->group;
        f32 *y = a->y + ((size_t)token * a->heads + head) * size;
        scale_row(sums + r * wide, size, total[r] != 0 ? 1 / total[r] : 0, y);
    }
}

/* y, q, keys, values, position slot, T, heads, kv, D, capacity, window, cap */
KERNEL(attention) {
    Attention a;
    if (!attention_of(w, &a)) return;
    u32 rows = a.tokens * a.group, tiles = (rows + ROWS - 1) / ROWS;
    for (Range r = pieces(tiles * a.kv, 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 first = i / a.kv * ROWS, count = min_u32(ROWS, rows - first), from[ROWS], until[ROWS];
            for (u32 j = 0; j < count; j++) {
                until[j] = a.position + (first + j) / a.group + 1;
                from[j] = window_start(until[j], a.window);
            }
            tile(&a, i % a.kv, first, count, from, until, (f32 *)t->scratch);
        }
}

/* Whether a row sees what the row before it sees. */
static inline int as_before(const i32 *spans, u32 row, u32 group) {
    const i32 *span = spans + 2 * (row / group), *before = spans + 2 * ((row - 1) / group);
    return span[0] == before[0] && span[1] == before[1];
}
/* Where a piece of work that would begin at `row` begins: a span of at most ROWS rows belongs to the piece before as a whole. */
static u32 border(const i32 *spans, u32 row, u32 rows, u32 group) {
    u32 start = row, end = row;
    while (end < rows && end - row < ROWS && end && as_before(spans, end, group)) end++;
    while (start && start < rows && row - start < ROWS && as_before(spans, start, group)) start--;
    return min_u32(rows, end - start <= ROWS ? end : row);
}

/* y, q, keys, values, spans (T, 2) int32, T, heads, kv, D: row t sees the rows spans[t, 0] … spans[t, 1] − 1, or none. Tiles
 * end where rows with other spans begin, unless these overlap the first one's. */
KERNEL(span_attention) {
    Attention a = {.y = floats(w[0]), .q = floats(w[1]), .keys = floats(w[2]), .values = floats(w[3]), .tokens = w[5].u,
                   .heads = w[6].u, .kv = w[7].u, .size = w[8].u, .group = w[6].u / w[7].u,
                   .scale = (f32)(1 / __builtin_sqrt((f64)w[8].u))};
    const i32 *spans = ints(w[4]);
    u32 rows = a.tokens * a.group, chunks = (rows + ROWS - 1) / ROWS;
    for (Range r = pieces(chunks * a.kv, 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 start = i / a.kv * ROWS, from[ROWS], until[ROWS];
            u32 first = border(spans, start, rows, a.group), end = border(spans, start + ROWS, rows, a.group);
            while (first < end) {
                u32 count = 0, most = min_u32(ROWS, end - first);
                for (; count < most; count++) {
                    const i32 *span = spans + 2 * ((first + count) / a.group);
                    i32 low = span[0] > 0 ? span[0] : 0, high = span[1] < (i32)a.tokens ? span[1] : (i32)a.tokens;
                    if (high < low) high = low = 0;
                    if (count && (u32)low >= until[0]) break;
                    from[count] = (u32)low, until[count] = (u32)high;
                }
                tile(&a, i % a.kv, first, count, from, until, (f32 *)t->scratch);
                first += count;
            }
        }
}
