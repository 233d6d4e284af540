/* y (M, N) = op(a) op(b) + bias: general strides, the sum over k for each element in order. */
#include "loom.h"

/* y, a, b, bias (or 0), M, N, K, a's row stride, a's column stride, b's row stride, b's column stride */
KERNEL(matmul) {
    f32 *y = floats(w[0]);
    const f32 *a = floats(w[1]), *b = floats(w[2]), *bias = floats(w[3]);
    u32 m = w[4].u, n = w[5].u, k = w[6].u, ar = w[7].u, ac = w[8].u, br = w[9].u, bc = w[10].u;
    for (Range r = pieces(m, 64); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++)
            for (u32 j = 0; j < n; j++) {
                f32 s = bias ? bias[j] : 0;
                for (u32 l = 0; l < k; l++) s += a[i * ar + l * ac] * b[l * br + j * bc];
                y[i * n + j] = s;
            }
}
