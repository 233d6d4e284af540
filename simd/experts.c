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

/* y (P, rows), x, ids (P) int32, weight, digits of x, storage, P, choices that share a row of x, rows of an expert, K,
 * experts, want. Few choices: a piece is eight rows for one of them. Many: eight rows of an expert for all that have it. */
KERNEL(expert_linear) {
    const i32 *ids = ints(w[2]);
    const u8 *weight = bytes(w[3]);
    u32 storage = w[5].u, choices = w[6].u, share = w[7].u, rows = w[8].u, k = w[9].u, experts = w[10].u,
        want = w[11].u;
    u32 groups = (rows + GROUP - 1) / GROUP, few = choices <= experts, total = (few ? choices : experts) * groups;
    u32 least = 16384 / (k * GROUP + 1) + 1, grain = total / (t->count * 8);
    int whole = want && storage >= Q8_0;
    for (Range r = pieces(total, grain > least ? grain : least); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 g = i % groups, at = g * GROUP, n = min_u32(GROUP, rows - at);
            for (u32 c = few ? i / groups : 0; c < (few ? i / groups + 1 : choices); c++) {
                if ((u32)ids[c] >= experts || (!few && (u32)ids[c] != i / groups)) continue;
                u32 first = (u32)ids[c] * rows, row = c / share;
                f32 out[GROUP];
                if (whole) {
                    Digits d = digits_at(bytes(w[4]) + (size_t)row * digits_bytes(want, k, 1), want, k, 1);
                    const u8 *group = weight + (size_t)(first / GROUP + g) * (k / BLOCK) * block_bytes(storage);
                    group_vector_digits(storage, group, &d, k, out);
                } else {
                    u32 skipped = storage >= Q8_0 ? first / GROUP : 0;
                    const u8 *from = weight + (storage < Q8_0 ? (size_t)first * k * (storage == F32 ? 4 : 2) : 0);
                    group_vector_floats(storage, from, skipped + g, storage < Q8_0 ? rows : experts * rows,
                                        floats(w[1]) + (size_t)row * k, k, out);
                }
                memcpy(floats(w[0]) + (size_t)c * rows + at, out, n * sizeof(f32));
            }
        }
}
