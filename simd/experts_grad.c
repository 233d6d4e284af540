/* Gradients of mixtures of experts. */
#include "vecmath.h"

/* glogits (T, E), logits, ids (T, count) int32, g (T, count), T, E, count, normalised */
KERNEL(route_grad) {
    u32 experts = w[5].u, count = w[6].u;
    f32 *shares = (f32 *)t->scratch;
    for (Range r = pieces(w[4].u, 16); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            const f32 *x = floats(w[1]) + (size_t)row * experts, *g = floats(w[3]) + (size_t)row * count;
            const i32 *ids = ints(w[2]) + (size_t)row * count;
            f32 *p = floats(w[0]) + (size_t)row * experts, most = x[0], total = 0, mass = 0, mean = 0, inner = 0;
            for (u32 e = 1; e < experts; e++) most = x[e] > most ? x[e] : most;
            for (u32 e = 0; e < experts; e += 4) {
                v128 power = first_lanes(weight4(sub4(load_some(x, e, experts), splat(most))), experts - e);
                total += sum4(power);
                store_some(p, e, experts, power);
            }
            for (u32 e = 0; e < experts; e++) p[e] /= total;
            for (u32 i = 0; i < count; i++)
                if ((u32)ids[i] < experts) mass += p[ids[i]], mean += g[i] * p[ids[i]];
            for (u32 i = 0; i < count; i++) {
                shares[i] = 0;
                if ((u32)ids[i] >= experts) continue;
                shares[i] = p[ids[i]] * (w[7].u ? (g[i] - mean / mass) / mass : g[i]);
                inner += shares[i];
            }
            for (u32 e = 0; e < experts; e++) p[e] *= -inner;
            for (u32 i = 0; i < count; i++)
                if ((u32)ids[i] < experts) p[ids[i]] += shares[i];
        }
}

/* gx (T, J, K), ids (T, count) int32, weight (E rows, K), gy (T, count, rows), T, J (1 or count), count, rows, K, E */
KERNEL(expert_inputs_grad) {
    u32 parts = w[5].u, count = w[6].u, rows = w[7].u, k = w[8].u;
    for (Range r = pieces(w[4].u, 1); take(t, &r);)
        for (u32 token = r.start; token < r.end; token++) {
            f32 *gx = floats(w[0]) + (size_t)token * parts * k;
            memset(gx, 0, (size_t)parts * k * sizeof(f32));
            for (u32 i = 0; i < count; i++) {
                u32 expert = (u32)ints(w[1])[token * count + i];
                if (expert >= w[9].u) continue;
                const f32 *weight = floats(w[2]) + (size_t)expert * rows * k;
                const f32 *gy = floats(w[3]) + ((size_t)token * count + i) * rows;
                for (u32 o = 0; o < rows; o++)
                    add_scaled(gx + (parts > 1 ? i : 0) * (size_t)k, weight + (size_t)o * k, gy[o], k);
            }
        }
}

/* gweight (E rows, K), x (T, J, K), ids (T, count) int32, gy (T, count, rows), T, J (1 or count), count, rows, K, E */
KERNEL(expert_weights_grad) {
    u32 parts = w[5].u, count = w[6].u, rows = w[7].u, k = w[8].u, choices = w[4].u * count;
    for (Range r = pieces(w[9].u * rows, 1 + 4096 / k); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            f32 *gw = floats(w[0]) + (size_t)row * k;
            memset(gw, 0, k * sizeof(f32));
            for (u32 c = 0; c < choices; c++)
                if ((u32)ints(w[2])[c] == row / rows)
                    add_scaled(gw, floats(w[1]) + (size_t)(parts > 1 ? c : c / count) * k,
                               floats(w[3])[(size_t)c * rows + row % rows], k);
        }
}
