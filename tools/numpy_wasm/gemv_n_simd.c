/* y += alpha * A x, the OpenBLAS kernel of that name, with 128-bit vectors.
 *
 * A is m x n by columns, lda apart: y gathers four columns at a time, so that it is loaded and stored once for four.
 * Built for float, and with DOUBLE for double.
 */
#include "common.h"

typedef FLOAT vector __attribute__((vector_size(16)));
typedef FLOAT unaligned __attribute__((vector_size(16), aligned(sizeof(FLOAT))));
#define LANES ((BLASLONG)(16 / sizeof(FLOAT)))
#define LOAD(p) ((vector)*(const unaligned *)(p))

int CNAME(BLASLONG m, BLASLONG n, BLASLONG unused, FLOAT alpha, FLOAT *a, BLASLONG lda, FLOAT *x, BLASLONG inc_x,
          FLOAT *y, BLASLONG inc_y, FLOAT *buffer) {
    FLOAT *out = y;
    if (inc_y != 1) { /* the buffer has room for m and n numbers */
        for (BLASLONG i = 0; i < m; i++) buffer[i] = y[i * inc_y];
        out = buffer;
    }
    BLASLONG whole = m - m % LANES;
    BLASLONG j = 0;
    for (; j + 4 <= n; j += 4) {
        const FLOAT *c0 = a + j * lda, *c1 = c0 + lda, *c2 = c1 + lda, *c3 = c2 + lda;
        FLOAT f0 = alpha * x[j * inc_x], f1 = alpha * x[(j + 1) * inc_x];
        FLOAT f2 = alpha * x[(j + 2) * inc_x], f3 = alpha * x[(j + 3) * inc_x];
        for (BLASLONG i = 0; i < whole; i += LANES) {
            vector u = f0 * LOAD(c0 + i) + f1 * LOAD(c1 + i), v = f2 * LOAD(c2 + i) + f3 * LOAD(c3 + i);
            *(unaligned *)(out + i) = LOAD(out + i) + (u + v);
        }
        for (BLASLONG i = whole; i < m; i++) out[i] += f0 * c0[i] + f1 * c1[i] + (f2 * c2[i] + f3 * c3[i]);
    }
    for (; j < n; j++) {
        const FLOAT *c = a + j * lda;
        FLOAT f = alpha * x[j * inc_x];
        for (BLASLONG i = 0; i < m; i++) out[i] += f * c[i];
    }
    if (inc_y != 1) {
        for (BLASLONG i = 0; i < m; i++) y[i * inc_y] = buffer[i];
    }
    return 0;
}
