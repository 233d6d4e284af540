/* Philox 2×32-10 (Salmon et al. 2011; runtime/philox.py): a generator without state. */
#pragma once
#include "loom.h"

/* The word that belongs to an element of a step, for a seed. */
static inline u32 philox(u32 seed, u32 step, u32 element) {
    u32 left = element, right = step, key = seed;
    for (int round = 0; round < 10; round++, key += 0x9E3779B9u) {
        u64 product = (u64)left * 0xD256D193u;
        left = (u32)(product >> 32) ^ key ^ right;
        right = (u32)product;
    }
    return left;
}
