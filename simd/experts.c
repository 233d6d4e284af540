/* Mixtures of experts: which experts a token has, and products with the rows of their weights. */
#include "linear.h"
#include "vecmath.h"

static inline f32 exp1(f32 x) { return wasm_f32x4_extract_lane(weight4(splat(x)), 0); }

/* ids (T, count) int32, probabilities (T, count), logits (T, E), T, E, count, normalised: the most likely of
 * softmax(logits), the first among equals first. */
KERNEL(route) {
    u32 experts = w[4].u, count = w[5].u;
    for (Range r = pieces(w[3].u, 16); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            const f32 *x = floats(w[2]) + (size_t)row * experts;
            i32 *ids = ints(w[0]) + (size_t)row * count;
            f32 *p = floats(w[1]) + (size_t)row * count, most = x[0], total = 0, chosen = 0;
            for (u32 e = 1; e < experts; e++) most = x[e] > most ? x[e] : most;
            for (u32 e = 0; e < experts; e++) total += exp1(x[e] - most);
            for (u32 i = 0; i < count; i++) {
                i32 best = -1;
                for (u32 e = 0; e < experts; e++) {
                    /* behind the one before: less likely, or as likely with a higher number */
                    int later = !i || x[e] < x[ids[i - 1]] || (x[e] == x[ids[i - 1]] && (i32)e > ids[i - 1]);
                    if (later && (best < 0 || x[e] > x[best])) best = (i32)e;
                }
                ids[i] = best < 0 ? 0 : best; /* NaN has no order */
                p[i] = exp1(x[ids[i]] - most) / total;
                chosen += p[i];
            }
            for (u32 i = 0; i < count && w[6].u; i++) p[i] /= chosen;
        }
}

/* digits, x (rows, K), rows, K, want: digits of each row by itself. */
KERNEL(expert_digits) {
    u32 k = w[3].u, want = w[4].u, size = digits_bytes(want, k, 1);
    for (Range r = pieces(w[2].u, 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            Digits d = digits_at(bytes(w[0]) + (size_t)i * size, want, k, 1);
            quantise_token(floats(w[1]) + (size_t)i * k, k, &d, want, 1, 0);
        }
}

/* An expert's weight, of which a group is eight rows: in blocks the groups of all experts follow each other. */
typedef struct {
    const u8 *weight;
    u32 storage, rows, k, experts;
} Experts;

static inline const u8 *group_of(const Experts *m, u32 expert, u32 g) {
    size_t group = (size_t)expert * (m->rows / GROUP) + g;
    return m->weight + group * (m->k / BLOCK) * block_bytes(m->storage);
}
/* out (count, 8): group g of an expert times rows x (count, K) of floats. */
static void times_floats(const Experts *m, u32 expert, u32 g, const f32 *x, u32 count, f32 *out, u8 *panel) {
    int blocks = m->storage >= Q8_0;
    u32 first = expert * m->rows, group = blocks ? first / GROUP + g : g,
        rows = blocks ? m->experts * m->rows : m->rows;
    const u8 *from = m->weight + (blocks ? 0 : (size_t)first * m->k * (m->storage == F32 ? 4 : 2));
    if (count == 1) group_vector_floats(m->storage, from, group, rows, x, m->k, out);
    else group_matrix_floats(m->storage, from, group, rows, x, m->k, count, out, panel);
}

/* y (P, rows), x, ids (P) int32, weight, digits of x, storage, P, choices that share a row of x, rows of an expert, K,
 * experts, want. Few choices: a piece is eight rows for one of them. */
KERNEL(expert_linear) {
    const i32 *ids = ints(w[2]);
    Experts m = {bytes(w[3]), w[5].u, w[8].u, w[9].u, w[10].u};
    u32 choices = w[6].u, share = w[7].u, want = w[11].u;
    u32 groups = (m.rows + GROUP - 1) / GROUP, total = choices * groups;
    u32 least = 16384 / (m.k * GROUP + 1) + 1, grain = total / (t->count * 8);
    for (Range r = pieces(total, grain > least ? grain : least); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 c = i / groups, g = i % groups, at = g * GROUP, row = c / share;
            if ((u32)ids[c] >= m.experts) continue;
            f32 out[GROUP];
            if (want && m.storage >= Q8_0) {
                Digits d = digits_at(bytes(w[4]) + (size_t)row * digits_bytes(want, m.k, 1), want, m.k, 1);
                group_vector_digits(m.storage, group_of(&m, (u32)ids[c], g), &d, want, m.k, out);
            } else times_floats(&m, (u32)ids[c], g, floats(w[1]) + (size_t)row * m.k, 1, out, 0);
            memcpy(floats(w[0]) + (size_t)c * m.rows + at, out, min_u32(GROUP, m.rows - at) * sizeof(f32));
        }
}

/* Many choices go by expert: the choices of each in tiles of four places, of which the last tile may have empty ones.
 * The order is counts (experts), the first tile of each expert (experts + 1), and the choice at each place. */
#define ALONE 2 /* up to so many choices in a last tile are multiplied one by one (measured) */

/* order, ids (P) int32, P, experts */
KERNEL(expert_order) {
    const i32 *ids = ints(w[1]);
    u32 choices = w[2].u, experts = w[3].u, *counts = (u32 *)bytes(w[0]), *tiles = counts + experts;
    i32 *places = (i32 *)(tiles + experts + 1);
    for (Range r = pieces(1, 1); take(t, &r);) {
        memset(counts, 0, experts * sizeof(u32));
        for (u32 c = 0; c < choices; c++)
            if ((u32)ids[c] < experts) counts[ids[c]]++;
        tiles[0] = 0;
        for (u32 e = 0; e < experts; e++) tiles[e + 1] = tiles[e] + (counts[e] + TILE - 1) / TILE;
        memset(places, -1, (size_t)tiles[experts] * TILE * sizeof(i32));
        memset(counts, 0, experts * sizeof(u32));
        for (u32 c = 0; c < choices; c++)
            if ((u32)ids[c] < experts) places[tiles[ids[c]] * TILE + counts[ids[c]]++] = (i32)c;
    }
}

/* tiles, x, order, experts, choices that share a row of x, K, want: digits of each tile (of up to ALONE rows those of
 * each row by itself), or with want 0 its rows as they are. */
KERNEL(expert_tiles) {
    const i32 *order = ints(w[2]);
    u32 experts = w[3].u, share = w[4].u, k = w[5].u, want = w[6].u;
    const i32 *places = order + 2 * experts + 1;
    size_t size = want ? digits_bytes(want, k, TILE) : TILE * k * sizeof(f32);
    for (Range r = pieces((u32)order[2 * experts], 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u8 *tile = bytes(w[0]) + i * size;
            u32 count = 0;
            while (count < TILE && places[i * TILE + count] >= 0) count++;
            u32 width = count > ALONE ? TILE : 1;
            for (u32 j = 0; j < (want && width == TILE ? TILE : count); j++) {
                const f32 *x = floats(w[1]) + (size_t)(j < count ? (u32)places[i * TILE + j] / share : 0) * k;
                if (!want) {
                    memcpy((f32 *)tile + (size_t)j * k, x, k * sizeof(f32));
                    continue;
                }
                Digits d = digits_at(width == TILE ? tile : tile + j * digits_bytes(want, k, 1), want, k, width);
                if (j < count) quantise_token(x, k, &d, want, width, width == TILE ? j : 0);
                else quantise_token(0, k, &d, want, TILE, j);
            }
        }
}

/* y (P, rows), tiles, order, weight, storage, P, rows of an expert, K, experts, want: a piece is eight rows of an
 * expert for all that have it. */
KERNEL(expert_matrix) {
    const i32 *order = ints(w[2]);
    Experts m = {bytes(w[3]), w[4].u, w[6].u, w[7].u, w[8].u};
    u32 want = w[9].u, groups = (m.rows + GROUP - 1) / GROUP, total = m.experts * groups;
    const i32 *places = order + 2 * m.experts + 1;
    size_t size = want ? digits_bytes(want, m.k, TILE) : TILE * m.k * sizeof(f32);
    u32 chunk = chunk_of(m.k);
    f32 *out = (f32 *)t->scratch;
    u8 *panel = t->scratch + CHUNK * GROUP * sizeof(f32);
    u32 least = 16384 / (m.k * GROUP * (w[5].u / m.experts + 1) / 4 + 1) + 1, grain = total / (t->count * 8);
    for (Range r = pieces(total, grain > least ? grain : least); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 e = i / groups, g = i % groups, at = g * GROUP, n = min_u32(GROUP, m.rows - at), count = (u32)order[e];
            u8 *tiles = bytes(w[1]) + (u32)order[m.experts + e] * size;
            const i32 *choice = places + order[m.experts + e] * TILE;
            for (u32 first = 0; first < count; first += chunk, tiles += chunk / TILE * size) {
                u32 now = min_u32(chunk, count - first), rest = now % TILE;
                if (!want) times_floats(&m, e, g, (const f32 *)tiles, now, out, panel);
                else {
                    const u8 *group = group_of(&m, e, g);
                    u32 alone = rest <= ALONE ? rest : 0, whole = (now - alone + TILE - 1) / TILE;
                    if (whole) group_matrix_digits(m.storage, group, tiles, want, m.k, whole, out, panel);
                    for (u32 j = 0; j < alone; j++) {
                        Digits d = digits_at(tiles + whole * size + j * digits_bytes(want, m.k, 1), want, m.k, 1);
                        group_vector_digits(m.storage, group, &d, want, m.k, out + (whole * TILE + j) * GROUP);
                    }
                }
                for (u32 j = 0; j < now; j++)
                    memcpy(floats(w[0]) + (size_t)choice[first + j] * m.rows + at, out + j * GROUP, n * sizeof(f32));
            }
        }
}
