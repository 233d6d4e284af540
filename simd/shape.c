/* Copies of elements of any type. */
#include "loom.h"

/* to, from (0 for zeros), to's stride, from's stride, bytes of a block, blocks */
KERNEL(copy_blocks) {
    u32 bytes_each = w[4].u;
    for (Range r = pieces(w[5].u, 1 + 65536 / (bytes_each + 1)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u8 *to = bytes(w[0]) + (size_t)i * w[2].u;
            if (w[1].u) memcpy(to, bytes(w[1]) + (size_t)i * w[3].u, bytes_each);
            else memset(to, 0, bytes_each);
        }
}
