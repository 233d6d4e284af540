/* Convolution by matrix products: windows of the image are laid out as columns, and gradients of columns added back. */
#include "loom.h"

typedef struct {
    u32 batch, channels, height, width, kh, kw, sh, sw, ph, pw, oh, ow;
} Shape;

static Shape shape_at(const Word *w) {
    return (Shape){w[0].u, w[1].u, w[2].u, w[3].u, w[4].u, w[5].u, w[6].u, w[7].u, w[8].u, w[9].u, w[10].u, w[11].u};
}
/* The windows of a row, [first, last), of which a tap lies in the image, and where the first of them reads. */
typedef struct {
    u32 first, last, from;
} Span;
static Span span_of(u32 tap, u32 stride, u32 padding, u32 extent, u32 windows) {
    u32 first = tap < padding ? (padding - tap + stride - 1) / stride : 0;
    u32 last = extent + padding > tap ? (extent + padding - tap + stride - 1) / stride : 0;
    last = min_u32(last, windows), first = min_u32(first, last);
    return (Span){first, last, first * stride + tap - padding};
}
/* A tap's row of the image for a row of windows; none is below `height`. */
static inline u32 row_of(const Shape *s, u32 u, u32 i) {
    return i * s->sh + u - s->ph; /* below 0 it wraps to a large one */
}
#define GRAIN(s) (1 + 8192 / ((s).kh * (s).kw * (s).oh * (s).ow + 1))

static inline void clear(f32 *to, u32 count) {
    for (u32 j = 0; j < count; j++) to[j] = 0;
}

/* columns (B, C·KH·KW, OH·OW), x (B, C, H, W), then B, C, H, W, KH, KW, strides, paddings, OH, OW */
KERNEL(unfold) {
    Shape s = shape_at(w + 2);
    for (Range r = pieces(s.batch * s.channels, GRAIN(s)); take(t, &r);)
        for (u32 plane = r.start; plane < r.end; plane++) {
            const f32 *x = floats(w[1]) + (size_t)plane * s.height * s.width;
            f32 *to = floats(w[0]) + (size_t)plane * s.kh * s.kw * s.oh * s.ow;
            for (u32 u = 0; u < s.kh; u++)
                for (u32 v = 0; v < s.kw; v++) {
                    Span along = span_of(v, s.sw, s.pw, s.width, s.ow);
                    for (u32 i = 0; i < s.oh; i++, to += s.ow) {
                        u32 row = row_of(&s, u, i);
                        if (row >= s.height || along.first == along.last) {
                            clear(to, s.ow);
                            continue;
                        }
                        const f32 *from = x + (size_t)row * s.width + along.from;
                        u32 j = along.first;
                        clear(to, j);
                        if (s.sw == 1)
                            for (; j + 4 <= along.last; j += 4, from += 4) store4(to + j, load4(from));
                        for (; j < along.last; j++, from += s.sw) to[j] = *from;
                        clear(to + j, s.ow - j);
                    }
                }
        }
}

/* gx (B, C, H, W), gradients of the columns (B, C·KH·KW, OH·OW), then as above */
KERNEL(fold) {
    Shape s = shape_at(w + 2);
    for (Range r = pieces(s.batch * s.channels, GRAIN(s)); take(t, &r);)
        for (u32 plane = r.start; plane < r.end; plane++) {
            f32 *gx = floats(w[0]) + (size_t)plane * s.height * s.width;
            const f32 *from = floats(w[1]) + (size_t)plane * s.kh * s.kw * s.oh * s.ow;
            memset(gx, 0, s.height * s.width * sizeof(f32));
            for (u32 u = 0; u < s.kh; u++)
                for (u32 v = 0; v < s.kw; v++) {
                    Span along = span_of(v, s.sw, s.pw, s.width, s.ow);
                    for (u32 i = 0; i < s.oh; i++, from += s.ow) {
                        u32 row = row_of(&s, u, i), j = along.first;
                        if (row >= s.height) continue;
                        f32 *to = gx + (size_t)row * s.width + along.from;
                        if (s.sw == 1)
                            for (; j + 4 <= along.last; j += 4, to += 4)
                                store4(to, wasm_f32x4_add(load4(to), load4(from + j)));
                        for (; j < along.last; j++, to += s.sw) *to += from[j];
                    }
                }
        }
}
