/* y = op(a) op(b) + bias, one product or many.
 *
 * Blocks of 4 × 8 results live in registers: 8 sums, 2 vectors of b and 1 of a fit into 16. Each panel of 8
 * columns of b is packed for one block of K; a is read in place where its rows are contiguous and packed where its
 * columns are. Every result is the sum over k in order within each block, then over the blocks, whatever the tiles:
 * neither tiles nor threads change a bit.
 */
#include "vecmath.h"
#include "matmul_vector.h"

#define ROWS 4
#define PANEL 8 /* columns of a panel of b */
#define BLOCK 256
#define TILE_ROWS 240 /* upper limit: what fits the scratch memory, packed, beside one panel of b */
#define INLINE static inline __attribute__((always_inline))

enum { ADD = 1, BIAS_PER_ROW = 2 };

typedef struct {
    f32 *y;
    const f32 *a, *b, *bias;
    u32 m, n, k, yr, ar, ac, br, bc, flags;
} Product;

/* R × 8 sums over k of a (row stride ar, column stride ac) times a panel of b. */
INLINE void sums(const u32 R, const f32 *a, u32 ar, u32 ac, const f32 *b, u32 bk, u32 k, v128 s[ROWS][2]) {
#pragma unroll
    for (u32 r = 0; r < R; r++) s[r][0] = s[r][1] = zero4();
#pragma clang loop unroll(disable) /* unrolled, V8 runs out of registers and takes twice as long */
    for (u32 l = 0; l < k; l++) {
        v128 left = load4(b), right = load4(b + 4);
#pragma unroll
        for (u32 r = 0; r < R; r++) {
            v128 x = wasm_v128_load32_splat(a + (size_t)r * ar);
            s[r][0] = fma4(x, left, s[r][0]);
            s[r][1] = fma4(x, right, s[r][1]);
        }
        a += ac;
        b += bk;
    }
}

/* The destination of a block of sums, and what it is added to. */
typedef struct {
    f32 *y;
    const f32 *row_bias, *column_bias;
    u32 stride, columns;
    int add;
} Place;

INLINE void put(const u32 R, const Place *p, v128 s[ROWS][2]) {
    v128 left = zero4(), right = left;
    if (p->column_bias) {
        u32 n = p->columns;
        left = load_some(p->column_bias, 0, n);
        if (n > 4) right = load_some(p->column_bias, 4, n);
    }
#pragma unroll
    for (u32 r = 0; r < R; r++) {
        f32 *y = p->y + (size_t)r * p->stride;
        v128 a = s[r][0], b = s[r][1];
        if (p->column_bias) a = add4(a, left), b = add4(b, right);
        if (p->row_bias) a = add4(a, splat(p->row_bias[r])), b = add4(b, splat(p->row_bias[r]));
        if (p->columns == PANEL) {
            if (p->add) a = add4(a, load4(y)), b = add4(b, load4(y + 4));
            store4(y, a);
            store4(y + 4, b);
        } else {
            u32 n = p->columns;
            if (p->add) a = add4(a, load_some(y, 0, n));
            store_some(y, 0, n, a);
            if (n > 4) {
                if (p->add) b = add4(b, load_some(y, 4, n));
                store_some(y, 4, n, b);
            }
        }
    }
}

/* Two copies of the inner loop, since a constant stride is faster: a in place, and packed. */
#define MICRO(R)                                                                                 \
    static void in_place##R(const f32 *a, u32 ar, const f32 *b, u32 bk, u32 k, const Place *p) { \
        v128 s[ROWS][2];                                                                         \
        sums(R, a, ar, 1, b, bk, k, s);                                                          \
        put(R, p, s);                                                                            \
    }                                                                                            \
    static void packed##R(const f32 *a, const f32 *b, u32 bk, u32 k, const Place *p) {           \
        v128 s[ROWS][2];                                                                         \
        sums(R, a, 1, ROWS, b, bk, k, s);                                                        \
        put(R, p, s);                                                                            \
    }
MICRO(1)
MICRO(2)
MICRO(3)
MICRO(4)

static void pack_a(f32 *to, const f32 *a, u32 ar, u32 ac, u32 rows, u32 k) {
    for (u32 i = 0; i < rows; i += ROWS, to += (size_t)ROWS * k) {
        u32 r = min_u32(ROWS, rows - i);
        const f32 *from = a + (size_t)i * ar;
        if (ar == 1 && r == ROWS) {
            for (u32 l = 0; l < k; l++, from += ac) store4(to + ROWS * l, load4(from));
        } else {
            for (u32 l = 0; l < k; l++, from += ac)
                for (u32 j = 0; j < r; j++) to[ROWS * l + j] = from[(size_t)j * ar];
        }
    }
}

/* Four rows of b's columns, each contiguous, turned into four columns of a panel. */
static void pack_four(f32 *to, const f32 *b, u32 bc, u32 k) {
    const f32 *p = b, *q = p + bc, *r = q + bc, *s = r + bc;
    u32 l = 0;
    for (; l + 4 <= k; l += 4, to += 4 * PANEL)
        store_columns(to, PANEL, load4(p + l), load4(q + l), load4(r + l), load4(s + l));
    for (; l < k; l++, to += PANEL) store4(to, wasm_f32x4_make(p[l], q[l], r[l], s[l]));
}

static void pack_b(f32 *to, const f32 *b, u32 br, u32 bc, u32 columns, u32 k) {
    if (columns == PANEL && bc == 1) {
        for (u32 l = 0; l < k; l++, b += br, to += PANEL) {
            store4(to, load4(b));
            store4(to + 4, load4(b + 4));
        }
    } else if (columns == PANEL && br == 1) {
        pack_four(to, b, bc, k);
        pack_four(to + 4, b + 4 * (size_t)bc, bc, k);
    } else {
        for (u32 l = 0; l < k; l++, to += PANEL)
            for (u32 j = 0; j < PANEL; j++) to[j] = j < columns ? b[(size_t)l * br + (size_t)j * bc] : 0;
    }
}

static void blocked(const Product *p, f32 *scratch) {
    f32 *panel = scratch, *packed = scratch + PANEL * BLOCK;
    int pack = p->ac != 1;
    for (u32 l = 0; l < p->k || l == 0; l += BLOCK) {
        u32 k = min_u32(BLOCK, p->k - l);
        const f32 *a = p->a + (size_t)l * p->ac;
        if (pack) pack_a(packed, a, p->ar, p->ac, p->m, k);
        for (u32 c = 0; c < p->n; c += PANEL) {
            u32 columns = min_u32(PANEL, p->n - c);
            const f32 *b = p->b + (size_t)l * p->br + (size_t)c * p->bc;
            u32 bk = p->br;
            if (columns < PANEL || p->bc != 1 || p->m > 3 * ROWS) {
                pack_b(panel, b, p->br, p->bc, columns, k);
                b = panel, bk = PANEL;
            }
            for (u32 r = 0; r < p->m; r += ROWS) {
                Place to = {p->y + (size_t)r * p->yr + c, 0, 0, p->yr, columns, l || p->flags & ADD};
                if (p->bias && !l) {
                    if (p->flags & BIAS_PER_ROW) to.row_bias = p->bias + r;
                    else to.column_bias = p->bias + c;
                }
                const f32 *from = pack ? packed + (size_t)r * k : a + (size_t)r * p->ar;
                switch (min_u32(ROWS, p->m - r)) {
#define CASE(R)                                       \
    case R:                                           \
        if (pack) packed##R(from, b, bk, k, &to);     \
        else in_place##R(from, p->ar, b, bk, k, &to); \
        break;
                    CASE(1) CASE(2) CASE(3) CASE(4)
#undef CASE
                }
            }
        }
    }
}

/* y[i, j] = a[i] b[j]: the weight gradient of a single sample. */
static void outer(const Product *p) {
    for (u32 i = 0; i < p->m; i++) {
        f32 *y = p->y + (size_t)i * p->yr;
        f32 x = p->a[(size_t)i * p->ar];
        v128 v = splat(x);
        u32 j = 0;
        for (; j + 4 <= p->n; j += 4) store4(y + j, mul4(v, load4(p->b + j)));
        for (; j < p->n; j++) y[j] = x * p->b[j];
    }
}

/* One row, or an outer product, without blocks. Returns 0 where blocks are faster. */
static int simple(const Product *p) {
    int plain = !(p->flags & BIAS_PER_ROW && p->bias);
    if (p->k == 1 && p->bc == 1 && !p->bias && !(p->flags & ADD)) {
        outer(p);
        return 1;
    }
    if (p->m != 1 || !plain || p->k == 0 || (p->bias && p->flags & ADD)) return 0;
    const f32 *start = p->flags & ADD ? p->y : p->bias;
    if (p->bc == 1) combine_rows(p->y, start, p->a, p->ac, p->b, p->br, p->n, p->k);
    else if (p->br == 1 && p->ac == 1) dot_rows(p->y, start, p->a, p->b, p->bc, p->n, p->k);
    else return 0;
    return 1;
}

/* y, a, b, bias (or 0), m, n, k; strides in floats: y's rows, a's rows, a's columns, b's rows, b's columns; flags
 * (1: add to y, 2: bias has one value a row, not a column); how many results, offsets in floats (y, a, b for each
 * product; or 0), rows of a tile, columns of a tile, tiles a piece, how many products are added up in one result */
KERNEL(matmul) {
    u32 m = w[4].u, n = w[5].u, tm = min_u32(w[15].u, TILE_ROWS), tn = w[16].u;
    u32 down = (m + tm - 1) / tm, across = (n + tn - 1) / tn;
    const u32 *offsets = (const u32 *)(uintptr_t)w[14].u;
    for (Range r = pieces(w[13].u * down * across, w[17].u); take(t, &r);)
        for (u32 at = r.start; at < r.end; at++) {
            u32 which = at / (down * across), i = at / across % down * tm, j = at % across * tn;
            for (u32 c = 0; c < w[18].u; c++) {
                Product p = {floats(w[0]),
                             floats(w[1]),
                             floats(w[2]),
                             c ? 0 : floats(w[3]),
                             min_u32(tm, m - i),
                             min_u32(tn, n - j),
                             w[6].u,
                             w[7].u,
                             w[8].u,
                             w[9].u,
                             w[10].u,
                             w[11].u,
                             c ? ADD : w[12].u};
                if (offsets) {
                    const u32 *o = offsets + 3 * (which * w[18].u + c);
                    p.y += o[0], p.a += o[1], p.b += o[2];
                }
                p.y += (size_t)i * p.yr + j, p.a += (size_t)i * p.ar, p.b += (size_t)j * p.bc;
                if (p.bias) p.bias += p.flags & BIAS_PER_ROW ? i : j;
                if (!simple(&p)) blocked(&p, (f32 *)t->scratch);
            }
        }
}
